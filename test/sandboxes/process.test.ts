import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '../../src/lib/log.ts'
import { processProvider } from '../../src/sandboxes/process.ts'
import { describeConformance } from './conformance.ts'

describeConformance('a plain process', {
  make: (parent) => processProvider({ parent, log: createLogger({ level: 'error' }) }),
  makeParent: () => mkdtempSync(join(tmpdir(), 'process-')),
})
