import type pg from 'pg'
import type { Database } from '../database/database.ts'
import { pause } from '../lib/time.ts'

/** Listens on channels for as long as the signal does not fire; a lost connection is made anew. */
export const listen = async (
  database: Database,
  channels: Record<string, (payload: string) => void>,
  stopping: AbortSignal,
): Promise<void> => {
  while (!stopping.aborted) {
    let client: pg.Client | undefined
    try {
      client = await database.connect('jetty listener')
      const connected = client
      await connected.query(`listen ${Object.keys(channels).join('; listen ')}`)
      // What was said while nobody listened: every channel gets an empty call.
      for (const hear of Object.values(channels)) hear('')
      await new Promise<void>((resolve) => {
        connected.on('notification', (message) => channels[message.channel]?.(message.payload ?? ''))
        connected.on('error', () => resolve())
        connected.on('end', () => resolve())
        stopping.addEventListener('abort', () => resolve(), { once: true })
        if (stopping.aborted) resolve()
      })
    } catch {
      // Postgres is away; the fallback polls go on meanwhile.
    }
    await client?.end().catch(() => {})
    await pause(200, stopping)
  }
}
