import ArgumentParser

@main
struct TweetProducer: ParsableCommand {}
