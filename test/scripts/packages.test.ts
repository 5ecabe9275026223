// Packages of scripts: installed in a sandbox that reaches only the registry, kept, and read-only for the scripts.
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { readPackages } from '../../src/sandbox/scripts/packages/install-packages.ts'
import { startPackageRegistry } from '../fakes/package-registry.ts'
import { certificate } from './certificate.ts'
import { openScripts, resultOf } from './ground.ts'

let registry: Awaited<ReturnType<typeof startPackageRegistry>>
let scripts: Awaited<ReturnType<typeof openScripts>>

let answer = () => {}

beforeAll(async () => {
  const inner = { name: 'inner', version: '2.0.0', files: { 'index.js': 'module.exports = "world"' } }
  const greet = {
    ...{
      name: '@acme/greet',
      version: '1.2.3',
      files: { 'index.js': 'exports.greet = () => "hello " + require("inner")' },
    },
    manifest: { dependencies: { inner: '^2.0.0' }, scripts: { postinstall: 'echo ran > index.js' } },
  }
  const away = {
    name: 'away',
    version: '1.0.0',
    files: {},
    manifest: { dependencies: { x: 'http://other.test/x.tgz' } },
  }
  const until = new Promise<void>((resolve) => {
    answer = resolve
  })
  const slow = { name: 'slow', version: '1.0.0', files: { 'index.js': 'module.exports = 1' }, until }
  registry = await startPackageRegistry('registry.test', [inner, greet, away, slow])
  scripts = await openScripts({
    lookup: async () => ['127.0.0.1'],
    dial: (host, port) => connect({ host, port }),
    registry: registry.url,
  })
})
afterAll(async () => {
  registry?.close()
  await scripts?.close()
})

const javascript = (code: string, ...packages: string[]) => scripts.run({ language: 'javascript', code, packages })

it('are installed once, and found by import and require', async () => {
  const code = `const { greet } = await import('@acme/greet')
let written = true
try { require('fs').writeFileSync('/opt/agent/node_modules/inner/index.js', 'x') } catch (error) { written = error.code }
return [greet(), require('inner'), written]`
  const both = await Promise.all([javascript(code, '@acme/greet@1.2.3'), javascript(code, '@acme/greet@1.2.3')])
  for (const outcome of both) expect(resultOf(outcome)).toEqual(['hello world', 'world', 'EROFS'])
  expect(registry.asked.filter((path) => path === '/tarball/@acme/greet')).toHaveLength(1)
  registry.asked.length = 0
  const module = `import { greet } from '@acme/greet'\nexport const main = () => greet()`
  expect(resultOf(await javascript(module, '@acme/greet@1.2.3'))).toBe('hello world')
  expect(registry.asked).toEqual([])
})

it('a cancelled script does not wait for what another one installs', async () => {
  const code = 'return require("slow")'
  const first = javascript(code, 'slow@1.0.0')
  await vi.waitUntil(() => registry.asked.includes('/slow'), { timeout: 60_000 })
  const cancelled = AbortSignal.timeout(20)
  const set = readPackages('javascript', ['slow@1.0.0'])!
  await expect(scripts.packages.ensure(set, cancelled)).rejects.toHaveProperty('name', 'TimeoutError')
  answer()
  expect(resultOf(await first)).toBe(1)
})

it('come from a registry whose certificate only this server knows', async () => {
  const lone = { name: 'lone', version: '1.0.0', files: { 'index.js': 'module.exports = "private"' } }
  const secure = await startPackageRegistry('api.example.com', [lone], certificate)
  const knowing = await openScripts({
    lookup: async () => ['127.0.0.1'],
    dial: (host, port) => connect({ host, port }),
    registry: secure.url,
    certificates: certificate.cert,
  })
  const request = { language: 'javascript', code: 'return require("lone")', packages: ['lone@1.0.0'] } as const
  expect(resultOf(await knowing.run(request))).toBe('private')
  await knowing.close()
  secure.close()
})

it.each([
  ['javascript', ['lodash'], /Package 'lodash' has no exact version/],
  ['javascript', ['x@^1.0.0'], /no exact version/],
  ['javascript', ['x@http://10.0.0.1/x.tgz'], /no exact version/],
  ['javascript', ['--registry=http://10.0.0.1'], /no exact version/],
  ['javascript', ['inner@9.9.9'], /inner@9\.9\.9 cannot be installed.*\n?.*(notarget|ETARGET)/is],
  ['javascript', ['away@1.0.0'], /cannot be installed/],
  ['python', ['requests>=2'], /no exact version/],
  ['python', ['-r==1'], /no exact version/],
  ['python', ['requests==2.32.3'], /uv, and the sandboxes|cannot be installed/],
  ['shell', ['x@1.0.0'], /shell script has no packages/],
] as const)('%s with %j is refused', async (language, packages, message) => {
  await expect(scripts.run({ language, code: '1', packages })).rejects.toThrow(message)
})
