import type pg from 'pg'

/**
 * Options of every connection, so that it notices a dead server and never waits for ever. A request that waits for a
 * connection must get its 503 within five seconds.
 */
export const connectionDefaults = { keepAlive: true, connectionTimeoutMillis: 4_000, query_timeout: 30_000 }

/** `application_name` of a connection that every server process keeps open, and asks something each second. */
export const watchConnectionName = 'jetty watch'

/** PostgreSQL session settings by name. The values come from this program, never from a user. */
export type SessionSettings = Readonly<Record<string, string | number>>

/** Sets session settings with a statement: PgBouncer refuses them in the startup packet. */
export const setSession = async (client: pg.ClientBase, settings: SessionSettings): Promise<void> => {
  const text = Object.entries(settings).map(([name, value]) => `set ${name} = '${value}'`)
  if (text.length > 0) await client.query(text.join('; '))
}

/**
 * Destroys a connection without telling the server: its statement fails at once, where `end` would wait for the answer.
 */
export const cutConnection = (client: pg.ClientBase): void => {
  const { connection } = client as pg.ClientBase & { connection?: { stream?: { destroy(): void } } }
  connection?.stream?.destroy()
}
