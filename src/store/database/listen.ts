import type pg from 'pg'
import { pause } from '../../lib/time.ts'
import type { Database } from './database.ts'

/**
 * Listens on channels until the signal fires; reconnects after a lost connection. `onLost` is called when notifications may
 * get lost from now on; each channel gets an empty call when they arrive again.
 */
export const listen = async (
  database: Database,
  channels: Record<string, (payload: string) => void>,
  stopping: AbortSignal,
  onLost: () => void = () => {},
): Promise<void> => {
  while (!stopping.aborted) {
    let client: pg.Client | undefined
    try {
      client = await database.connect('jetty listener')
      const connected = client
      const real = await realNames(connected, Object.keys(channels))
      await connected.query([...real.keys()].map((name) => `listen ${connected.escapeIdentifier(name)}`).join('; '))
      // Notifications may have been missed: every channel gets an empty call.
      for (const hear of Object.values(channels)) hear('')
      await new Promise<void>((resolve) => {
        connected.on('notification', (message) => channels[real.get(message.channel) ?? '']?.(message.payload ?? ''))
        connected.on('error', () => resolve())
        connected.on('end', () => resolve())
        stopping.addEventListener('abort', () => resolve(), { once: true })
        if (stopping.aborted) resolve()
      })
      if (!stopping.aborted) onLost()
    } catch {
      // Postgres is away; the fallback polls continue meanwhile.
    }
    await client?.end().catch(() => {})
    await pause(200, stopping)
  }
}

/** Maps the schema's real channel names to ours. */
const realNames = async (client: pg.Client, names: string[]): Promise<Map<string, string>> => {
  const { rows } = await client.query<{ real: string; name: string }>(
    'select channel(name) as real, name from unnest($1::text[]) name',
    [names],
  )
  return new Map(rows.map(({ real, name }) => [real, name]))
}
