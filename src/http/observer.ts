/** Counts answers. Called for every request, so it must be fast. */
export interface RequestObserver {
  /** A connection was closed at once: there are as many as may be. */
  connectionRefused(): void
  /** `operation` is `none` where the path leads to no operation; a stream counts when its headers are sent. */
  answered(operation: string, status: number, seconds: number): void
  /** A stream of events began; the function is called once, when it has ended. */
  streaming(): () => void
}
