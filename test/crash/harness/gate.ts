import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Site } from './site.ts'

/** While it is missing in the folder of a site, `gated` and `stubborn` steps go on: how long that is no clock decides. */
export const gateFile = 'gate-is-open'

export const openGate = (site: Site): void => writeFileSync(join(site.folder, gateFile), '')
