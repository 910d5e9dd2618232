import ArgumentParser

@main
struct TweetLoader: ParsableCommand {}
