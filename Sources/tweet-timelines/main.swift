import TweetTimelines

TweetTimelinesCommand.main()
