import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

/** A registry that has the one image which stands in a folder as `podman save --format docker-dir` writes it. */
export interface OwnRegistry {
  /** `127.0.0.1:PORT`, which goes before the names of its images. */
  address: string
  /** From now on what an image is made of is not handed out: whoever waits for it waits. */
  pause(whenAsked: () => void): void
  stop(): Promise<void>
}

const typeOfManifest = 'application/vnd.docker.distribution.manifest.v2+json'

export const startRegistry = async (folder: string, name: string): Promise<OwnRegistry> => {
  let paused: (() => void) | undefined
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    const blob = /^\/v2\/[^/]+\/blobs\/sha256:([0-9a-f]{64})$/.exec(path)?.[1]
    if (path === '/v2/') return response.end('{}')
    if (path.startsWith(`/v2/${name}/manifests/`)) {
      response.setHeader('content-type', typeOfManifest)
      return response.end(request.method === 'HEAD' ? undefined : readFileSync(join(folder, 'manifest.json')))
    }
    if (blob && paused) return paused()
    if (blob && existsSync(join(folder, blob))) return createReadStream(join(folder, blob)).pipe(response)
    response.statusCode = 404
    return response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    pause(whenAsked) {
      paused = whenAsked
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
