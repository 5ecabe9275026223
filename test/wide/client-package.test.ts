// The typed client from the tarball: in a page that Vite builds, in a script of Node, and the API through generators of others.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { newVisitor } from '../e2e/pages.ts'
import { startTestServer, type TestServer } from '../server.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 900_000 })

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
const cache = process.env.npm_config_cache ?? join(homedir(), '.npm')
const npm = (args: string[], cwd: string) =>
  run('npm', [...args, '--cache', cache, '--prefer-offline', '--ignore-scripts', '--fetch-retries=8'], { cwd })
const program = (path: string, args: string[], cwd: string, env = {}) =>
  run(process.execPath, [path, ...args], { cwd, env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 })

let folder: string
let place: string
let jetty: TestServer
let key: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-client-package-'))
  place = join(folder, 'place')
  mkdirSync(place)
  writeFileSync(join(place, 'package.json'), '{"private": true, "type": "module"}')
  await program(join(root, 'scripts/package.mjs'), ['--pack-destination', folder], root)
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? ''
  await npm(['install', '--omit=dev', join(folder, tarball)], place)
  jetty = await startTestServer()
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'app', collection_name: 'acme' })).body.api_key
  const step_configs = { say: { activity: 'text_template', template: 'Hi {{name}}', name_path: 'init_params.name' } }
  await jetty.call('POST', '/api/v1/tasks/acme', {
    name: 'greet',
    workflow: { init_params: { name: 'you' }, step_configs, steps: ['say'] },
  })
})
afterAll(async () => {
  await jetty?.close()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

describe('a script of Node', () => {
  it('compiles with the types that `jetty types` writes, and runs', async () => {
    const types = await program(join(place, 'node_modules/jetty-server/dist/bin.js'), ['types', 'acme'], place, {
      JETTY_API_URL: jetty.url,
      JETTY_API_TOKEN: key,
    })
    writeFileSync(join(place, 'jetty.d.ts'), types.stdout)
    writeFileSync(
      join(place, 'use.ts'),
      `import { createClient } from 'jetty-server/client'
import type { Tasks } from './jetty.js'
declare const process: { env: Record<string, string | undefined> }
const jetty = createClient<Tasks>({ url: process.env.JETTY_API_URL ?? '', token: process.env.JETTY_API_TOKEN })
const run = await jetty.runAndWait('acme/greet', { name: 'moon' })
if (run.status === 'completed') console.log(run.outputs.text)
// @ts-expect-error there is no such parameter
export const wrong = () => jetty.run('acme/greet', { nmae: 'moon' })
// @ts-expect-error there is no such task
export const unknown = () => jetty.run('acme/great', {})
`,
    )
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023', 'dom'],
      types: [],
      strict: true,
      outDir: 'out',
    }
    writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts'] }))
    await program(join(root, 'node_modules/typescript/bin/tsc'), ['-p', place], place)
    const { stdout } = await program('out/use.js', [], place, { JETTY_API_URL: jetty.url, JETTY_API_TOKEN: key })
    expect(stdout).toBe('Hi moon\n')
  })
})

/** Serves a built page, and passes everything else on to the server, as a proxy in front of both does. */
const servePage = async (pageFolder: string): Promise<{ url: string; server: Server }> => {
  const files = new Map(
    readdirSync(pageFolder, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((one) => one.isFile())
      .map((one) => [join(one.parentPath, one.name).slice(pageFolder.length), join(one.parentPath, one.name)]),
  )
  const server = createServer((incoming, outgoing) => {
    const file = files.get(incoming.url === '/' ? '/index.html' : (incoming.url ?? ''))
    if (file) {
      outgoing.setHeader('content-type', file.endsWith('.html') ? 'text/html' : 'text/javascript')
      return outgoing.end(readFileSync(file))
    }
    const onward = request(
      jetty.url + incoming.url,
      { method: incoming.method, headers: incoming.headers },
      (reply) => {
        outgoing.writeHead(reply.statusCode ?? 500, reply.headers)
        reply.pipe(outgoing)
      },
    )
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

/** Size of the scripts of a page as a server sends them. */
const scriptBytes = (assets: string): number => {
  const sizes = readdirSync(assets).map((name) => gzipSync(readFileSync(join(assets, name)), { level: 9 }).length)
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  console.log(`The page with the client has ${bytes} bytes of script (gzip)`)
  return bytes
}

describe('a page that Vite builds', () => {
  it('runs a task, follows it and uploads a file', async () => {
    const page = join(place, 'page')
    mkdirSync(page)
    writeFileSync(
      join(page, 'index.html'),
      '<!doctype html><title>t</title><script type="module" src="./main.js"></script>',
    )
    writeFileSync(
      join(page, 'main.js'),
      `import { createClient, isJettyError } from 'jetty-server/client'
const jetty = createClient({ url: '', token: ${JSON.stringify(key)} })
const events = []
const run = await jetty.runAndWait('acme/greet', { name: 'sun' }, { onEvent: ({ event }) => events.push(event) })
const told = []
const file = await jetty.upload(new File(['x'.repeat(50000)], 'x.txt'), { onProgress: (...both) => told.push(both) })
const error = await jetty.getTask({ params: { collection: 'acme', task: 'none' } }).catch((thrown) => thrown)
document.title = JSON.stringify({ text: run.outputs.text, last: events.at(-1), size: file.size, told: told.at(-1), code: isJettyError(error) && error.code })
`,
    )
    await program(
      join(root, 'node_modules/vite/bin/vite.js'),
      ['build', page, '--outDir', join(folder, 'built')],
      place,
    )
    expect(scriptBytes(join(folder, 'built/assets'))).toBeLessThan(13_000)
    const served = await servePage(join(folder, 'built'))
    const visitor = await newVisitor(served.url)
    try {
      await visitor.page.goto('/')
      await expect.poll(() => visitor.page.title(), { timeout: 30_000 }).toContain('"text"')
      expect(JSON.parse(await visitor.page.title())).toEqual({
        ...{ text: 'Hi sun', last: 'end', size: 50_000, told: [50_000, 50_000], code: 'not_found' },
      })
    } finally {
      await visitor.close()
      served.server.closeAllConnections()
      served.server.close()
    }
  })
})

describe('openapi.json', () => {
  it.each([
    ['openapi-typescript', '7.13.0', 'bin/cli.js', (file: string) => [file, '-o', 'generated.ts']],
    [
      'swagger-typescript-api',
      '13.13.0',
      '',
      (file: string) => ['generate', '-p', file, '-n', 'generated.ts', '-o', '.'],
    ],
  ] as const)('generates cleanly with %s', async (name, version, bin, argsOf) => {
    const tools = join(folder, name)
    mkdirSync(tools)
    writeFileSync(join(tools, 'package.json'), '{"private": true, "type": "module"}')
    await npm(['install', `${name}@${version}`, 'typescript@5.9.3'], tools)
    const file = join(tools, 'openapi.json')
    writeFileSync(file, JSON.stringify((await jetty.call('GET', '/openapi.json')).body))
    const installed = join(tools, 'node_modules', name)
    const { bin: bins } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
    const { stderr } = await program(join(installed, bin || Object.values<string>(bins)[0] || ''), argsOf(file), tools)
    expect(stderr).not.toMatch(/error|warn/i)
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023', 'dom'],
      types: [],
      strict: true,
      noEmit: true,
    }
    writeFileSync(join(tools, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['generated.ts'] }))
    await program(join(tools, 'node_modules/typescript/bin/tsc'), ['-p', tools], tools)
    expect(readFileSync(join(tools, 'generated.ts'), 'utf8')).toContain('init_params')
  })
})
