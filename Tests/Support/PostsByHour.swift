/// Finds rows of `hour_counts` that are not what a GROUP BY over `tweet_rules` counts; each with a sign.
package let wrongHoursSQL = """
    WITH counted AS (SELECT hour, stream, rule_id, posts FROM hour_counts WHERE posts <> 0), rows AS (
        SELECT DISTINCT tweet_id, stream, rule_id, coalesce(
            date_trunc('hour', tweet_time(tweet_id), 'UTC'), '2010-11-04 00:00Z') AS hour
        FROM tweet_rules
    ), actual AS (
        SELECT hour, stream, rule_id, count(*) FROM rows WHERE rule_id <> 0 GROUP BY 1, 2, 3
        UNION ALL SELECT hour, stream, 0, count(DISTINCT tweet_id) FROM rows GROUP BY 1, 2
    )
    SELECT '+', * FROM (TABLE counted EXCEPT ALL TABLE actual) AS more
    UNION ALL SELECT '-', * FROM (TABLE actual EXCEPT ALL TABLE counted) AS less
    """
