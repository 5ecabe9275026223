import { type Database, openDatabase } from '../../../src/store/database/database.ts'

/** Where to ask: `life` differs between two Postgres of one folder, which may have the same URL. */
export interface Place {
  url: string
  life: number
}

export interface KeptConnection {
  query<Row>(place: Place, text: string, values: unknown[]): Promise<Row[]>
  close(): Promise<void>
}

/**
 * Asks over one connection for as long as it is to the same Postgres: scenarios look many times a second, and a new
 * connection takes several times as much CPU as an answer.
 */
export const keepConnection = (): KeptConnection => {
  let kept: { place: Place; database: Database } | undefined
  const close = async () => {
    const last = kept?.database
    kept = undefined
    await last?.close().catch(() => {})
  }
  return {
    query(place, text, values) {
      if (kept && (kept.place.url !== place.url || kept.place.life !== place.life)) void close()
      kept ??= { place, database: openDatabase(place.url, { connections: 1 }) }
      return kept.database.query(text, values)
    },
    close,
  }
}
