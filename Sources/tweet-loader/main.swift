import TweetLoader

TweetLoaderCommand.main()
