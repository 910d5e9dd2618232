import TweetProducer

TweetProducerCommand.main()
