import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A line of a runbook's script that waits until it may go on. */
export const waitToGoOn = 'until [ -e /app/go-on ]; do sleep 0.1; done'

/** Lets every sandbox go on that is there now. */
export const letGoOn = (dataDir: string): void => {
  const sandboxes = join(dataDir, 'sandboxes')
  for (const name of existsSync(sandboxes) ? readdirSync(sandboxes) : []) {
    const app = join(sandboxes, name, 'app')
    try {
      writeFileSync(join(app, 'go-on'), '')
    } catch (error) {
      if (existsSync(app)) throw error // else it is being made, or is gone
    }
  }
}
