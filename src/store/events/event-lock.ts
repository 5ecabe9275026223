const lockSeed = 104

/** SQL expression: waits for the lock of an address, or of what a collection keeps; held until the transaction ends. `text` is its text. */
export const lockAddress = (text: string): string => `pg_advisory_xact_lock(hashtextextended(${text}, ${lockSeed}))`
