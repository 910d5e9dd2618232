#!/usr/bin/env python3
"""Compares every column of stored rows with an independent reading of the lines that they came from.

usage: check_relations.py ROWS LINES

ROWS is a folder with one file a table, a JSON object a row, as PostgreSQL's row_to_json writes them. LINES holds the lines
in the order in which they were loaded. Nothing of the decoder is used: this is json, dictionaries and slices of text.
Prints what differs, then a summary; exit status 1 when anything differs.
"""
import datetime
import json
import sys

problems, compared, entities = [], 0, 0


def differ(what, stored, expected):
    global compared
    compared += 1
    if stored != expected and len(problems) < 50:
        problems.append(f"{what}: stored {stored!r}, expected {expected!r}")


def moment(text):
    if not isinstance(text, str):
        return None
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def stored_moment(text):
    return None if text is None else datetime.datetime.fromisoformat(text)


def number(value):
    return int(value) if isinstance(value, str) and value.isdigit() or type(value) is int else None


def get(value, *path):
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


def each(value, *path):
    """A list of one member of every element; None where there is no list."""
    if not isinstance(value, list):
        return None
    return [get(element, *path) for element in value]


def numbers(value, *path):
    values = each(value, *path)
    return None if values is None else [number(element) for element in values]


def either(value, *names):
    return next((value[name] for name in names if value.get(name) is not None), None)


def with_note(tweet, kind, identity, member, convert=lambda value: value):
    """Entities of the text, and behind them those that only the note has."""
    text, note = get(tweet, "entities", kind), get(either(tweet, "note_tweet", "note_post"), "entities", kind)
    if text is None and note is None:
        return None
    known = [entity.get(identity) for entity in text or []]
    more = [entity for entity in note or [] if text is None or entity.get(identity) not in known]
    return [convert(entity.get(member)) for entity in (text or []) + more]


def tweet_columns(tweet):
    references = {reference["type"]: number(reference["id"]) for reference in either(tweet, "referenced_tweets", "referenced_posts") or []}
    metrics = tweet.get("public_metrics") or {}
    columns = {
        "id": number(tweet["id"]), "text": tweet["text"], "created_at": moment(tweet.get("created_at")),
        "author_id": number(tweet.get("author_id")), "conversation_id": number(tweet.get("conversation_id")),
        "in_reply_to_user_id": number(tweet.get("in_reply_to_user_id")),
        "long_text": get(either(tweet, "note_tweet", "note_post"), "text"),
        "replied_to_id": references.get("replied_to"), "quoted_id": references.get("quoted"),
        "retweeted_id": references.get("retweeted"),
        "edit_ids": numbers(either(tweet, "edit_history_tweet_ids", "edit_history_post_ids")),
        "is_edit_eligible": get(tweet, "edit_controls", "is_edit_eligible"),
        "editable_until": moment(get(tweet, "edit_controls", "editable_until")),
        "edits_remaining": number(get(tweet, "edit_controls", "edits_remaining")),
        "mention_ids": with_note(tweet, "mentions", "username", "id", number),
        "hashtags": with_note(tweet, "hashtags", "tag", "tag"), "cashtags": with_note(tweet, "cashtags", "tag", "tag"),
        "mentions": with_note(tweet, "mentions", "username", "username"),
        "urls": with_note(tweet, "urls", "url", "url"), "expanded_urls": with_note(tweet, "urls", "url", "expanded_url"),
        "media_keys": get(tweet, "attachments", "media_keys"), "poll_ids": numbers(get(tweet, "attachments", "poll_ids")),
        "media_source_tweet_ids": numbers(get(tweet, "attachments", "media_source_tweet_id")),
        "place_id": get(tweet, "geo", "place_id"), "longitude": get(tweet, "geo", "coordinates", "coordinates", 0),
        "latitude": get(tweet, "geo", "coordinates", "coordinates", 1), "community_id": number(tweet.get("community_id")),
        "display_text_start": get(tweet, "display_text_range", 0), "display_text_end": get(tweet, "display_text_range", 1),
        "scopes_followers": get(tweet, "scopes", "followers"),
        "withheld_copyright": get(tweet, "withheld", "copyright"),
        "withheld_countries": get(tweet, "withheld", "country_codes"), "withheld_scope": get(tweet, "withheld", "scope"),
        "article_title": get(tweet, "article", "title"), "article_text": get(tweet, "article", "plain_text"),
        "context_domain_ids": numbers(tweet.get("context_annotations"), "domain", "id"),
        "context_entity_ids": numbers(tweet.get("context_annotations"), "entity", "id"),
    }
    for name in ["lang", "possibly_sensitive", "reply_settings", "source", "card_uri", "paid_partnership"]:
        columns[name] = tweet.get(name)
    for name in ["retweet", "reply", "like", "quote", "bookmark", "impression"]:
        columns[f"{name}_count"] = metrics.get(f"{name}_count")
    return columns


def user_columns(user):
    metrics = user.get("public_metrics") or {}
    columns = {
        "id": number(user["id"]), "created_at": moment(user.get("created_at")),
        "expanded_url": get(user, "entities", "url", "urls", 0, "expanded_url"),
        "verified_followers_count": number(user.get("verified_followers_count")),
        "pinned_tweet_id": number(either(user, "pinned_tweet_id", "pinned_post_id")),
        "most_recent_tweet_id": number(either(user, "most_recent_tweet_id", "most_recent_post_id")),
        "affiliation_description": get(user, "affiliation", "description"),
        "affiliation_url": get(user, "affiliation", "url"), "affiliation_badge_url": get(user, "affiliation", "badge_url"),
        "affiliation_user_ids": numbers(get(user, "affiliation", "user_id")),
        "withheld_countries": get(user, "withheld", "country_codes"), "withheld_scope": get(user, "withheld", "scope"),
    }
    for name in ["username", "name", "description", "location", "url", "profile_image_url", "profile_banner_url",
                 "protected", "verified", "verified_type", "is_identity_verified", "parody", "subscription_type"]:
        columns[name] = user.get(name)
    for name in ["followers", "following", "tweet", "listed", "like", "media"]:
        columns[f"{name}_count"] = metrics.get(f"{name}_count")
    return columns


def medium_columns(medium):
    columns = {
        "view_count": get(medium, "public_metrics", "view_count"), "variant_urls": each(medium.get("variants"), "url"),
        "variant_content_types": each(medium.get("variants"), "content_type"),
        "variant_bit_rates": each(medium.get("variants"), "bit_rate"),
    }
    for name in ["media_key", "type", "url", "preview_image_url", "width", "height", "duration_ms", "alt_text"]:
        columns[name] = medium.get(name)
    return columns


def poll_columns(poll):
    return {
        "id": number(poll["id"]), "option_labels": each(poll.get("options"), "label"),
        "option_votes": each(poll.get("options"), "votes"), "duration_minutes": poll.get("duration_minutes"),
        "ends_at": moment(poll.get("end_datetime")), "voting_status": poll.get("voting_status"),
    }


def place_columns(place):
    box = get(place, "geo", "bbox") or [None] * 4
    columns = dict(zip(["west", "south", "east", "north"], box))
    for name in ["id", "full_name", "name", "country", "country_code", "place_type", "contained_within"]:
        columns[name] = place.get(name)
    return columns


def context_columns(thing):
    return {"id": number(thing["id"]), "name": thing.get("name"), "description": thing.get("description")}


def check_row(table, key, stored, expected):
    for column, value in expected.items():
        found = stored[column]
        differ(f"{table} {key} {column}", stored_moment(found) if isinstance(value, datetime.datetime) else found, value)


def check_offsets(tweet, stored):
    """X counts code points of the raw text, HTML escapes included: what is stored must stand there."""
    global entities
    for text, lists in [(tweet["text"], tweet.get("entities")),
                        (get(either(tweet, "note_tweet", "note_post"), "text"), get(either(tweet, "note_tweet", "note_post"), "entities"))]:
        for kind, marks, member, column in [("hashtags", "#＃", "tag", "hashtags"), ("cashtags", "$＄", "tag", "cashtags"),
                                            ("mentions", "@＠", "username", "mentions"), ("urls", "", "url", "urls")]:
            for entity in get(lists, kind) or []:
                if "start" not in entity or "end" not in entity:
                    continue
                entities += 1
                there = text[entity["start"]:entity["end"]]
                there = there[1:] if marks and there[:1] in marks else there
                # In place of a withheld tweet X sends a notice, whose link has a text of its own.
                if there == entity.get("display_url"):
                    continue
                if there.casefold() not in [(value or "").casefold() for value in stored[column] or []]:
                    mismatches.append((tweet["id"], kind, there, entity.get(member)))


def load(folder, table, key):
    rows = {}
    with open(f"{folder}/{table}", encoding="utf-8", newline="\n") as file:
        for line in file.read().split("\n"):
            if line:
                row = json.loads(line)
                rows[row[key] if isinstance(key, str) else tuple(row[name] for name in key)] = row
    return rows


mismatches = []


def main():
    folder, path = sys.argv[1:3]
    with open(path, encoding="utf-8", newline="\n") as file:
        lines = [json.loads(line) for line in file.read().split("\n") if line.strip()]
    tweets, included, matched_by = {}, {}, {}
    newest = {"users": {}, "media": {}, "polls": {}, "places": {}, "context_domains": {}, "context_entities": {}}
    rules, errors, versions = {}, {}, {}
    for line in lines:
        data, includes = line["data"], line.get("includes") or {}
        key = number(data["id"])
        tweets.setdefault(key, data)
        for rule in line.get("matching_rules") or []:
            rules.setdefault((key, number(rule["id"])), rule.get("tag"))
        if line.get("matching_rules") is None:
            # The stream itself has matched it.
            rules.setdefault((key, 0), None)
        if key not in matched_by:
            matched_by[key] = line
        for position, error in enumerate(line.get("errors") or [], 1):
            errors.setdefault((key, position), error)
        for tweet in [data] + (either(includes, "tweets", "posts") or []):
            if tweet is not data and number(tweet["id"]) != key:
                included.setdefault(number(tweet["id"]), tweet)
            history = numbers(either(tweet, "edit_history_tweet_ids", "edit_history_post_ids")) or []
            if len(history) > 1 and (tweet is data or number(tweet["id"]) != key):
                for version, each_id in enumerate(history, 1):
                    versions.setdefault(each_id, (history[0], version))
            for annotation in tweet.get("context_annotations") or []:
                for kind, table in [("domain", "context_domains"), ("entity", "context_entities")]:
                    if kind in annotation and (tweet is data or number(tweet["id"]) != key):
                        newest[table].setdefault(number(annotation[kind]["id"]), []).append(annotation[kind])
        for table, name in [("users", "id"), ("polls", "id"), ("places", "id"), ("media", "media_key")]:
            for thing in includes.get(table) or []:
                identity = thing[name] if table in ("places", "media") else number(thing[name])
                newest[table].setdefault(identity, []).append(thing)

    stored = load(folder, "tweets", "id")
    differ("ids of tweets", set(stored), set(tweets) | set(included))
    for key, row in stored.items():
        source = tweets.get(key) or included.get(key)
        differ(f"tweets {key} matched", row["matched"], key in tweets)
        if source:
            check_row("tweets", key, row, tweet_columns(source))
            check_offsets(source, row)
    for table, columns in [("users", user_columns), ("media", medium_columns), ("polls", poll_columns),
                           ("places", place_columns), ("context_domains", context_columns),
                           ("context_entities", context_columns)]:
        rows = load(folder, table, "media_key" if table == "media" else "id")
        differ(f"keys of {table}", set(rows), set(newest[table]))
        for key, row in rows.items():
            if key not in newest[table]:
                continue
            expected = columns(newest[table][key][-1])
            if table.startswith("context_"):
                # Of one line's different descriptions any may be the last.
                known = [context_columns(thing) for thing in newest[table][key]]
                expected = next((one for one in known if all(row[name] == one[name] for name in one)), expected)
            check_row(table, key, row, expected)
    found = load(folder, "tweet_rules", ("tweet_id", "rule_id"))
    differ("rules", {key: row["tag"] for key, row in found.items()}, rules)
    found = load(folder, "tweet_versions", "tweet_id")
    differ("versions", {key: (row["chain_id"], row["version"]) for key, row in found.items()}, versions)
    found = load(folder, "tweet_errors", ("tweet_id", "position"))
    differ("keys of errors", set(found), set(errors))
    for key, row in found.items():
        expected = {name: errors[key].get(name) for name in ["title", "parameter", "resource_type", "resource_id", "value", "section"]}
        expected["detail"] = errors[key].get("detail") or errors[key].get("message")
        expected["type"] = errors[key]["type"].split("/")[-1] if errors[key].get("type") else None
        check_row("tweet_errors", key, row, expected)
    for problem in problems:
        print(problem)
    for mismatch in mismatches[:20]:
        print("offsets say something else:", *mismatch)
    print(f"{len(lines)} lines, {len(stored)} tweets, {compared} values compared, {len(problems)} differ; "
          f"{entities} entities, {len(mismatches)} not where their offsets say")
    sys.exit(1 if problems or mismatches else 0)


main()
