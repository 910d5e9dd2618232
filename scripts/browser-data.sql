-- Data for scripts/browser.py: every place of the console that shows a text of others has one. With `-v hostile=1` they are
-- hostile, with `-v hostile=0` harmless; the structure of the pages must not differ.
\set ON_ERROR_STOP 1
SET TimeZone = 'UTC';
SET client_min_messages = error;

CREATE TEMP TABLE texts (n integer PRIMARY KEY, word text);
INSERT INTO texts VALUES
    (0, '<script>document.title="owned"</script>'),
    (1, '"><img src=x onerror=document.title="owned">'),
    (2, '"' || U&'\0301' || ' onmouseover="document.title=1" x="'),
    (3, '''' || U&'\0301' || '><svg onload=document.title=1>'),
    (4, '<' || U&'\0338' || 'b>bold</b></td></tr></table><h1>x</h1>'),
    (5, U&'\202Egnp.exe\202C \2066x\2069 \200F'),
    (6, '</title></pre></textarea><!-- <style>*{display:none}</style>'),
    (7, 'javascript:alert(1) &lt;b&gt; &amp; &#60;i&#62;'),
    (8, U&'\+01F468\200D\+01F469\200D\+01F467 \2028 \FEFF \FFFE \+10FFFF'),
    (9, E'=cmd|''/c calc''!A1\r\n\t{{7*7}} ${x} %3Cb%3E');
UPDATE texts SET word = 'harmless ' || n WHERE :hostile = 0;

-- A text of those above, cut to a length that a handle or a tag may have.
CREATE FUNCTION pg_temp.word(n bigint, most integer DEFAULT 200) RETURNS text LANGUAGE sql AS
    $$ SELECT left(word, most) FROM texts WHERE texts.n = $1 % 10 $$;

DO $$
DECLARE
    month timestamptz := date_trunc('month', now());
BEGIN
    FOR i IN -2..1 LOOP
        FOR t IN 0..1 LOOP
            EXECUTE format('CREATE TABLE %s.%I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)', partition_schema(),
                (ARRAY['tweets', 'tweet_rules'])[t + 1] || to_char(month + i * interval '1 month', '"_y"YYYY"m"MM'),
                (ARRAY['tweets', 'tweet_rules'])[t + 1], tweet_id_at(month + i * interval '1 month'),
                tweet_id_at(month + (i + 1) * interval '1 month'));
        END LOOP;
    END LOOP;
END
$$;

INSERT INTO users (id, username, name, protected, fingerprint, text_altered, seen_in, seen_at)
SELECT 100 + n, pg_temp.word(n, 60), pg_temp.word(n + 1), false, 0, false, 1, now() FROM generate_series(0, 9) n;

-- The newest are of the next minutes, so that as many are new whenever a page is read.
INSERT INTO tweets (id, created_at, author_id, author_username, text, lang, retweeted_id, withheld_countries, stream, journal, seq,
    received_at, kafka_topic, kafka_partition, kafka_offset, text_altered, matched)
SELECT tweet_id_at(now() - (n - 400) * interval '3 s') + n, now() - (n - 400) * interval '3 s', 100 + n % 10, pg_temp.word(n, 60),
    pg_temp.word(n) || ' ' || pg_temp.word(n + 3), CASE n % 3 WHEN 0 THEN pg_temp.word(n, 20) END,
    CASE n % 7 WHEN 1 THEN 20 END, CASE n % 11 WHEN 5 THEN ARRAY[pg_temp.word(n, 30)] END, 'main', '0a1b2c3d', n, now(), 'tweets', 0, n,
    false, true
FROM generate_series(1, 800) n;
-- By the offset: ids depend on the time, and rules are listed by how many posts they have.
INSERT INTO tweet_rules (tweet_id, rule_id, stream, tag, matched_at)
SELECT id, 1 + kafka_offset % 7, 'main', pg_temp.word(kafka_offset % 7, 80), now() FROM tweets;
SELECT recount_hours(now() - interval '90 days', now() + interval '2 hours');

INSERT INTO rules (rule_id, stream, value, tag, seen_from, seen_last, seen_until, first_journal, first_seq, last_journal, last_seq)
SELECT n, 'main', pg_temp.word(n + 2), pg_temp.word(n, 80), now() - interval '9 days', now(),
    CASE n WHEN 3 THEN now() - interval '1 day' END, 'j', n, 'j', n
FROM generate_series(0, 6) n;

INSERT INTO stream_state (stream, journal, seq, alive_at, settled_at, due_after, connected, last_received_at, last_post_at,
    posts_today, posts_of_cycle, limit_per_day, limit_per_cycle, journal_bytes, available_bytes, rules)
SELECT pg_temp.word(n, 60), 'journal' || n, 1, now(), now(), '1 day', true, now(), now(), 1200, 400000, 50000, 1000000, 1 << 30,
    1 << 30, 7
FROM generate_series(0, 9) n;
INSERT INTO stream_gaps (stream, journal, opened_seq, started_at, ended_at, cause, status, repaired_by, repaired_posts, repair_detail)
SELECT pg_temp.word(n, 60), 'journal' || n, n, now() - n * interval '1 hour', now() - n * interval '1 hour' + interval '20 min',
    pg_temp.word(n, 80), (ARRAY['open', 'repaired_exactly', 'repaired_approximately', 'accepted'])[1 + n % 4], 'search', 10 * n,
    pg_temp.word(n + 1)
FROM generate_series(1, 60) n;
INSERT INTO stream_events (type, at, stream, cause, detail, kafka_topic, kafka_partition, kafka_offset)
SELECT 'disconnected', now() - n * interval '1 min', pg_temp.word(n, 60), pg_temp.word(n + 1, 80), pg_temp.word(n + 2), 'e', 0, n
FROM generate_series(0, 30) n;
INSERT INTO rejects (reason, sqlstate, detail, value, key, stream, journal, seq, kafka_topic, kafka_partition, kafka_offset)
SELECT pg_temp.word(n, 80), CASE n % 2 WHEN 0 THEN '22003' END, pg_temp.word(n + 1), convert_to(pg_temp.word(n + 2), 'UTF8'),
    convert_to(pg_temp.word(n, 20), 'UTF8'), pg_temp.word(n + 3, 60), 'journal', n, pg_temp.word(n + 4, 60), 0, n
FROM generate_series(1, 60) n;
INSERT INTO loaders (owner, problem) VALUES ('host/1/x', pg_temp.word(1));
INSERT INTO loader_offsets (topic, partition, next_offset, fence, owner, committed_at, rate)
SELECT 'tweets', n, 100, 1, 'host/1/x', now(), 3 FROM generate_series(0, 11) n;

INSERT INTO x_accounts (user_id, username, name, state, state_detail)
SELECT 200 + n, pg_temp.word(n, 60), pg_temp.word(n + 1), 'failing', pg_temp.word(n + 2) FROM generate_series(0, 9) n;
INSERT INTO timelines (user_id, kind, interval_ms, last_polled_at) SELECT user_id, 'home', 60000, now() FROM x_accounts;
INSERT INTO timeline_pauses (cause, until, detail) VALUES ('app', now() + interval '1 day', pg_temp.word(2));
INSERT INTO timeline_days (day, posts, calls) VALUES (current_date, 1000, 20);
ANALYZE;
