// A registry of npm with packages that a test makes up.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface MadePackage {
  name: string
  version: string
  files: Record<string, string>
  manifest?: object
  /** The registry does not tell of the package before. */
  until?: Promise<void>
}

const tarballOf = ({ name, version, files, manifest }: MadePackage): Buffer => {
  const folder = mkdtempSync(join(tmpdir(), 'jetty-package-'))
  const all = { ...files, 'package.json': JSON.stringify({ name, version, ...manifest }) }
  for (const [path, text] of Object.entries(all)) {
    const file = join(folder, 'package', path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  execFileSync('tar', ['-czf', join(folder, 'it.tgz'), '-C', folder, 'package'])
  const bytes = readFileSync(join(folder, 'it.tgz'))
  rmSync(folder, { recursive: true })
  return bytes
}

/** Starts it on this machine; `host` is the name by which it is reached. With a certificate it speaks HTTPS. */
export const startPackageRegistry = async (
  host: string,
  packages: readonly MadePackage[],
  certificate?: { key: string; cert: string },
) => {
  const asked: string[] = []
  const tarballs = new Map(packages.map((one) => [`/tarball/${one.name}`, tarballOf(one)]))
  const answer: RequestListener = async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://x').pathname
    asked.push(path)
    const tarball = tarballs.get(path)
    if (tarball) return response.end(tarball)
    const found = packages.find(({ name }) => `/${name}` === decodeURIComponent(path))
    if (!found) return response.writeHead(404).end('{"error":"not found"}')
    await found.until
    const { name, version, manifest } = found
    const integrity = `sha512-${createHash('sha512')
      .update(tarballs.get(`/tarball/${name}`)!)
      .digest('base64')}`
    const dist = { tarball: `${address()}/tarball/${name}`, integrity }
    response.setHeader('content-type', 'application/json')
    const versions = { [version]: { name, version, ...manifest, dist } }
    response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions }))
  }
  const server = certificate ? createSecureServer(certificate, answer) : createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const address = () => `${certificate ? 'https' : 'http'}://${host}:${port}`
  return {
    ...{ url: address(), asked, port },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
