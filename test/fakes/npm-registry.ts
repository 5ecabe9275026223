// A registry of npm with one agent in it, whose program does nothing; and a proxy, for whoever comes through it.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { agents } from '../../src/sandbox/agents/agents.ts'

/**
 * `wrong`: other bytes than were vouched for. `stalled`: of the program only half comes. `cut`: and then the connection
 * breaks.
 */
export type RegistryMode = 'right' | 'wrong' | 'stalled' | 'cut' | 401 | 404

export interface NpmRegistry {
  url: string
  mode: RegistryMode
  /** Paths that were asked for, since they were last taken away. */
  asked: string[]
  /** Resolves when half of the program has been sent. */
  stalled(): Promise<void>
  close(): Promise<void>
}

const name = '@anthropic-ai/claude-code'
const programName = `${name}-${process.platform}-${process.arch}`
const version = agents['claude-code'].package?.version ?? ''

const tarball = (folder: string, files: Record<string, string>): Buffer => {
  const place = mkdtempSync(join(folder, 'package-'))
  for (const [path, text] of Object.entries(files)) {
    const file = join(place, 'package', path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text, { mode: 0o755 })
  }
  execFileSync('tar', ['-czf', join(place, 'it.tgz'), '-C', place, 'package'])
  return readFileSync(join(place, 'it.tgz'))
}

export const startNpmRegistry = async (): Promise<NpmRegistry> => {
  const folder = mkdtempSync(join(tmpdir(), 'jetty-registry-'))
  const manifests: Record<string, object> = {
    [name]: {
      optionalDependencies: { [programName]: version },
      scripts: { postinstall: 'echo ran > /tmp/jetty-postinstall-ran' },
    },
    [programName]: { os: [process.platform], cpu: [process.arch] },
  }
  const tarballs: Record<string, Buffer> = Object.fromEntries(
    Object.entries(manifests).map(([one, manifest]) => {
      const program = one === programName ? { claude: `#!/bin/sh\n# ${'x'.repeat(100_000)}\n` } : {}
      const text = JSON.stringify({ name: one, version, ...manifest })
      return [one, tarball(folder, { 'package.json': text, ...program })]
    }),
  )
  rmSync(folder, { recursive: true })
  const waiting: (() => void)[] = []

  const give = (one: string, outgoing: ServerResponse) => {
    const bytes = tarballs[one] as Buffer
    outgoing.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length })
    if (registry.mode === 'wrong') outgoing.end(Buffer.alloc(bytes.length, 'x'))
    else if (registry.mode === 'right' || one === name) outgoing.end(bytes)
    else
      outgoing.write(bytes.subarray(0, bytes.length / 2), () => {
        for (const tell of waiting.splice(0)) tell()
        if (registry.mode === 'cut') outgoing.destroy()
      })
  }
  const describe = (one: string, base: string) => {
    const integrity = `sha512-${createHash('sha512')
      .update(tarballs[one] as Buffer)
      .digest('base64')}`
    const dist = { tarball: `${base}/tarball/${one}`, integrity }
    return {
      name: one,
      'dist-tags': { latest: version },
      versions: { [version]: { name: one, version, ...manifests[one], dist } },
    }
  }
  const server = createServer((incoming, outgoing) => {
    // What comes to a proxy has the whole address.
    const url = new URL(incoming.url ?? '/', `http://${incoming.headers.host}`)
    const path = decodeURIComponent(url.pathname)
    registry.asked.push(url.host === new URL(registry.url).host ? path : url.href)
    if (typeof registry.mode === 'number') return void outgoing.writeHead(registry.mode).end('{}')
    const one = Object.keys(manifests).find((known) => path.endsWith(`/${known}`))
    if (one === undefined) outgoing.writeHead(404).end('{}')
    else if (path.startsWith('/tarball/')) give(one, outgoing)
    else outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(describe(one, url.origin)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const registry: NpmRegistry = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mode: 'right',
    asked: [],
    stalled: () => new Promise((resolve) => waiting.push(resolve)),
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return registry
}
