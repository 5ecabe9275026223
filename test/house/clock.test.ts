import { expect, test } from 'vitest'
import { programFiles, textOf } from './source-files.ts'

/** What may ask the clock of the machine: ages of files, starts of Postgres, and whether that clock was moved. */
const mayAskTheMachine =
  /^src\/(store\/objects\/|store\/database\/|engine\/records\/call-log\.ts$|engine\/leases\/heartbeat\.ts$)/
/** Rooms whose times are recorded, or due. */
const rooms = /^src\/(engine|gateway|background|store|api|http|server\/demo)\//

test('times that are recorded or due come from `now()` of lib/time.ts, the clock of the database', () => {
  const astray = programFiles
    .filter((path) => rooms.test(path) && !mayAskTheMachine.test(path))
    .filter((path) => /\bDate\.now\b|\bnew Date\(\)/.test(textOf(path)))
  expect(astray, 'use now(), or performance.now() for a deadline that concerns this process alone').toEqual([])
})
