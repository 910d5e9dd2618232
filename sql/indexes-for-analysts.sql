-- Indexes for questions that the keys do not answer. None is made by `tweet-loader migrate`: each one costs space and slows
-- down loading. Run the statements that you need as the owner of the tables, while no loader runs: they lock out writers. New
-- months get these indexes by themselves. What one takes: SELECT pg_size_pretty(sum(pg_relation_size(relid))) FROM
-- pg_partition_tree('NAME'). The order is that of cost: the first is nearly free, the last ones are large and slow to load.

-- Conditions on created_at, for tools that cannot compare ids. A block range index: small, as tweets come in the order of time.
CREATE INDEX IF NOT EXISTS tweets_created_at ON tweets USING brin (created_at);
-- Reposts of a tweet; only reposts have an entry.
CREATE INDEX IF NOT EXISTS tweets_retweeted_id ON tweets (retweeted_id) WHERE retweeted_id IS NOT NULL;
-- Tweets of a user.
CREATE INDEX IF NOT EXISTS tweets_author_id ON tweets (author_id);
-- Tweets of a conversation.
CREATE INDEX IF NOT EXISTS tweets_conversation_id ON tweets (conversation_id);
-- Tweets with a hashtag: WHERE hashtags @> '{coffee}'.
CREATE INDEX IF NOT EXISTS tweets_hashtags ON tweets USING gin (hashtags);
-- Words in texts: WHERE to_tsvector('simple', text) @@ to_tsquery('simple', 'coffee & beans').
CREATE INDEX IF NOT EXISTS tweets_words ON tweets USING gin (to_tsvector('simple', text));
