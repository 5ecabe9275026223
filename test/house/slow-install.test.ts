// An install that waits for a registry which does not answer says so, and what to do.
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { root } from './source-files.ts'

it('after ten seconds', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jetty-install-'))
  const registry = createServer(() => {}) // takes connections, and never answers
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve))
  const { port } = registry.address() as { port: number }
  mkdirSync(join(folder, 'scripts'))
  for (const name of ['start.mjs', 'prepare.mjs']) cpSync(join(root, 'scripts', name), join(folder, 'scripts', name))
  const dependencies = { 'left-alone': '1.0.0' }
  const at = {
    resolved: `http://127.0.0.1:${port}/left-alone.tgz`,
    integrity: `sha512-${'A'.repeat(86)}==`,
    version: '1.0.0',
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'x', version: '0.0.0', dependencies }))
  writeFileSync(
    join(folder, 'package-lock.json'),
    JSON.stringify({
      ...{ name: 'x', version: '0.0.0', lockfileVersion: 3 },
      packages: { '': { name: 'x', version: '0.0.0', dependencies }, 'node_modules/left-alone': at },
    }),
  )
  const env = {
    ...process.env,
    npm_config_registry: `http://127.0.0.1:${port}/`,
    npm_config_cache: join(folder, 'cache'),
  }
  const start = spawn(process.execPath, ['scripts/start.mjs'], {
    ...{ cwd: folder, env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
  })
  onTestFinished(async () => {
    const gone = new Promise((resolve) => start.once('close', resolve))
    if (start.pid) process.kill(-start.pid, 'SIGKILL') // npm is a child of it
    await gone
    registry.close()
    rmSync(folder, { recursive: true, force: true })
  })
  let said = ''
  start.stderr?.on('data', (chunk) => {
    said += chunk
  })
  await expect.poll(() => said, { timeout: 60_000 }).toContain(`npm waits for http://127.0.0.1:${port}/`)
  expect(said).toContain('npm config set registry')
})
