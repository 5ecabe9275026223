import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** An engine that speaks as Docker does about images, and cannot start a container. */
export interface FakeDocker {
  socket: string
  /** Images that a registry has; what fetching them says, a line at a time, and then whether it ends. */
  elsewhere: Map<string, { lines: object[]; ends: boolean }>
  /** Requests that were made, `POST /images/create?…`. */
  asked: string[]
  /** Clients that wait for an image now. */
  readonly waiting: number
  stop(): Promise<void>
}

const version = { Version: '27.3.1', ApiVersion: '1.47', Components: [{ Name: 'Engine', Version: '27.3.1' }] }
const info = {
  ...{ MemoryLimit: true, PidsLimit: true, CpuCfsQuota: true, CgroupVersion: '2' },
  SecurityOptions: ['name=seccomp,profile=builtin', 'name=cgroupns'],
}

const say = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

export const startFakeDocker = async (): Promise<FakeDocker> => {
  const folder = mkdtempSync(join(tmpdir(), 'docker-'))
  const socket = join(folder, 'docker.sock')
  const elsewhere: FakeDocker['elsewhere'] = new Map()
  const here = new Set<string>()
  const asked: string[] = []
  let waiting = 0

  const fetchImage = (name: string, response: ServerResponse): void => {
    const remote = elsewhere.get(name)
    if (!remote) {
      say(response, 404, { message: `manifest for ${name} not found: manifest unknown` })
      return
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    for (const line of remote.lines) response.write(`${JSON.stringify(line)}\n`)
    if (remote.ends) {
      here.add(name)
      response.end()
      return
    }
    waiting += 1
    response.once('close', () => {
      waiting -= 1
    })
  }

  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://docker')
    const call = `${request.method} ${pathname}`
    asked.push(`${request.method} ${request.url}`)
    const [, kind, name = ''] = /^\/(images|distribution)\/(.+)\/json$/.exec(decodeURIComponent(pathname)) ?? []
    if (call === 'GET /version') return say(response, 200, version)
    if (call === 'GET /info') return say(response, 200, info)
    if (call === 'GET /containers/json') return say(response, 200, [])
    if (call === 'POST /images/create')
      return fetchImage(`${searchParams.get('fromImage')}:${searchParams.get('tag')}`, response)
    if (kind === 'images' && here.has(name)) return say(response, 200, { Id: `sha256:${name}`, Config: {} })
    if (kind === 'images') return say(response, 404, { message: `No such image: ${name}` })
    if (kind === 'distribution' && elsewhere.has(name)) return say(response, 200, { Descriptor: {}, Platforms: [] })
    if (kind === 'distribution')
      return say(response, 403, { message: `denied: ${name} does not exist, or needs a login` })
    return say(response, 500, { message: 'no space left on device' })
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  return {
    socket,
    elsewhere,
    asked,
    get waiting() {
      return waiting
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true })
    },
  }
}
