import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { processProvider } from '../../src/sandbox/isolation/process.ts'
import { describeConformance } from './conformance.ts'
import { livingWith, runOnce, uniqueSeconds } from './ground.ts'
import { useSystemTools } from './system-tools.ts'

const make = (parent: string) => processProvider({ parent, log: createLogger({ level: 'error' }) })
const makeParent = () => mkdtempSync(join(tmpdir(), 'process-'))

useSystemTools()
describeConformance('a plain process', { make, makeParent })

it('a plain process ends though something that has put its mark away holds its outputs open', async () => {
  const parent = makeParent()
  const seconds = uniqueSeconds()
  const script = `echo said; env -i setsid sleep ${seconds} & sleep 0.1`
  expect(await runOnce(make(parent), script)).toMatchObject({ reason: 'exit', code: 0, stdout: 'said\n' })
  for (const pid of livingWith(seconds)) process.kill(pid, 'SIGKILL')
  rmSync(parent, { recursive: true })
})
