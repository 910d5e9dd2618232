import ArgumentParser

@main
struct Sandbox: ParsableCommand {}
