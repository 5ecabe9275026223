import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '../../src/lib/log.ts'
import { bubblewrapProvider } from '../../src/sandbox/isolation/bubblewrap/bubblewrap.ts'
import { describeConformance } from './conformance.ts'

const log = createLogger({ level: 'error' })

describeConformance('bubblewrap', {
  make: (parent) => bubblewrapProvider({ parent, firstUid: 64_000, log }),
  makeParent: () => mkdtempSync(join(tmpdir(), 'bubblewrap-')),
})
