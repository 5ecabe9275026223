/** A question of somebody else that each heartbeat asks, so that he asks for nothing while there is nothing to do. */
export interface Look {
  /** A condition in SQL, given the parameter that holds the moment in question. */
  condition(at: string): string
  now(): Date
  /** The condition holds. */
  onSeen(): void
}
