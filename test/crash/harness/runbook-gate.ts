import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { namesIn, runFolders } from './sandboxes-left.ts'
import type { Site } from './site.ts'
import { openRuns, until } from './storm.ts'

/** Line of a script, or command of a check, that goes on once the test opens the gate: how long that is no clock decides. */
export const waitsAt = (gate = 'gate'): string => `touch /app/at-${gate}; until [ -e /app/open ]; do sleep 0.1; done`

/** Lets those go on that stand at a gate inside of a sandbox. */
export interface Gates {
  /** Of this name, or all of them. */
  open(gate?: string): void
  /** Waits for the end of every run, and opens each gate that one comes to. */
  untilAllEnded(): Promise<number>
}

export const gatesOf = (site: Site): Gates => {
  const opened = new Set<string>() // once each: nobody may write into a folder that is being removed
  const open = (gate?: string) => {
    for (const name of runFolders(site.dataDir)) {
      const app = join(site.dataDir, 'sandboxes', name, 'app')
      const isAt = namesIn(app).some((file) => file.startsWith(`at-${gate ?? ''}`))
      if (opened.has(name) || !isAt) continue
      opened.add(name)
      writeFileSync(join(app, 'open'), '')
    }
  }
  return {
    open,
    untilAllEnded: () =>
      until(
        'the end of all runs',
        async () => {
          open()
          return (await openRuns(site)) === 0
        },
        120_000,
      ),
  }
}
