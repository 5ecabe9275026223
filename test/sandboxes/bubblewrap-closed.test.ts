// Root that may not mount: the user of a sandbox has to pass through the folders around it.
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { bubblewrapProvider } from '../../src/sandbox/isolation/bubblewrap/bubblewrap.ts'
import { closedOnTheWay, lookAtHost } from '../../src/sandbox/isolation/bubblewrap/host.ts'
import { toolsFolder } from '../../src/sandbox/isolation/programs/run-tool.ts'
import { newId, runIn, smallLimits } from './ground.ts'

it.runIf(process.getuid?.() === 0)(
  'is refused with what to do where a folder is closed, and works where it is open',
  async ({ skip }) => {
    skip(closedOnTheWay(toolsFolder) !== undefined, 'these sources are closed themselves')
    const folder = mkdtempSync(join(tmpdir(), 'closed-'))
    try {
      const provider = bubblewrapProvider({
        parent: folder,
        firstUid: 64_000,
        log: createLogger({ level: 'error' }),
        lookAtHost: async () => ({ ...(await lookAtHost()), stage: undefined }),
      })
      await expect(provider.create({ id: newId(), limits: smallLimits })).rejects.toMatchObject({
        code: 'sandbox_unavailable',
        message: expect.stringContaining(folder),
        hint: expect.stringContaining('JETTY_SANDBOX_DIR'),
      })
      expect(readdirSync(folder)).toEqual([])

      chmodSync(folder, 0o711)
      const sandbox = await provider.create({ id: newId(), limits: smallLimits })
      expect(await runIn(sandbox, 'id -u; ls /etc/shadow')).toMatchObject({ stdout: '1000\n' })
      await sandbox.destroy()
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)
