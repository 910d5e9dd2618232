-- Indexes for questions that the keys do not answer. None is made by `tweet-loader migrate`: each one costs space and slows
-- down loading. Run the statements that you need as the owner of the tables, while no loader runs: they lock out writers. New
-- months get these indexes by themselves. What one takes: SELECT pg_size_pretty(sum(pg_relation_size(relid))) FROM
-- pg_partition_tree('NAME'). The order is that of cost. Sizes are those for a million tweets, and "loading" is what PostgreSQL's
-- processor time for the INSERT of tweets without payloads grows by: measured with 200,000 tweets of 18 words on PostgreSQL 15, which
-- took 355 MB a million with their key.

-- Conditions on created_at, for tools that cannot compare ids. A block range index: small, as tweets come in the order of time.
-- 0.1 MB, loading + 6 %.
CREATE INDEX IF NOT EXISTS tweets_created_at ON tweets USING brin (created_at);
-- Reposts of a tweet; only reposts have an entry. With a third of reposts: 6 MB, loading + 13 %.
CREATE INDEX IF NOT EXISTS tweets_retweeted_id ON tweets (retweeted_id) WHERE retweeted_id IS NOT NULL;
-- Tweets of a user. 26 MB, loading + 60 %: entries go to places all over the index.
CREATE INDEX IF NOT EXISTS tweets_author_id ON tweets (author_id);
-- Tweets of a conversation. 23 MB, loading + 20 %.
CREATE INDEX IF NOT EXISTS tweets_conversation_id ON tweets (conversation_id);
-- Tweets with a hashtag: WHERE hashtags @> '{coffee}'. With two hashtags on each third tweet: 24 MB, loading + 25 %.
CREATE INDEX IF NOT EXISTS tweets_hashtags ON tweets USING gin (hashtags);
-- Words in texts: WHERE to_tsvector('simple', text) @@ to_tsquery('simple', 'coffee & beans').
-- 100 MB, and loading takes ten times as long.
CREATE INDEX IF NOT EXISTS tweets_words ON tweets USING gin (to_tsvector('simple', text));
