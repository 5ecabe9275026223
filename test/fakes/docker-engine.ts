import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { wholeBody } from '../whole-body.ts'

/** An engine that speaks as Docker does about images, and cannot start a container, or only says that it does. */
export interface FakeDocker {
  socket: string
  /** Images that a registry has; what fetching them says, a line at a time, and then whether it ends. */
  elsewhere: Map<string, { lines: object[]; ends: boolean }>
  /** Requests that were made, `POST /images/create?…`. */
  asked: string[]
  /** Whether it says of containers that they run, until they are killed; nothing does. Those of a probe end at once. */
  canRun: boolean
  /** Words that it never answers: `create`, `start`, `json`, `wait`, `kill`, `exec`, `remove`. */
  hangs: Set<string>
  /** Names of the containers that are there. */
  readonly containers: string[]
  /** Breaks every connection off and takes none, as one that is restarted; what it has runs on. `back` ends that. */
  leave(): Promise<{ back(): Promise<void> }>
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
  const hangs = new Set<string>()
  const containers = new Map<string, { isRunning: boolean; isProbe: boolean; end: () => void; ended: Promise<void> }>()
  let waiting = 0
  let canRun = false

  const aboutContainer = async (word: string, name: string, request: IncomingMessage, response: ServerResponse) => {
    const body = await wholeBody(request)
    if (!body || hangs.has(word)) return
    if (!canRun) return say(response, 500, { message: 'no space left on device' })
    if (word === 'create') {
      let end = () => {}
      const ended = new Promise<void>((resolve) => {
        end = resolve
      })
      containers.set(name, { isRunning: false, isProbe: body.includes('echo begun'), end, ended })
      return say(response, 201, { Id: name })
    }
    const container = containers.get(name)
    if (!container) return say(response, 404, { message: `No such container: ${name}` })
    if (word === 'json') {
      const State = { Running: container.isRunning, Pid: 0, ExitCode: container.isProbe ? 0 : 137, OOMKilled: false }
      return say(response, 200, { Id: name, State })
    }
    if (word === 'exec') return say(response, 500, { message: 'no shell' })
    if (word === 'wait') {
      await container.ended
      return say(response, 200, { StatusCode: 0 })
    }
    container.isRunning = word === 'start' && !container.isProbe
    if (!container.isRunning) container.end()
    if (word === 'remove') containers.delete(name)
    response.writeHead(204).end()
  }

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
    const [, id = '', what = ''] = /^\/containers\/([^/]+)(?:\/(\w+))?$/.exec(pathname) ?? []
    const word = request.method === 'DELETE' ? 'remove' : id === 'create' ? id : what
    void aboutContainer(word, id === 'create' ? (searchParams.get('name') ?? '') : id, request, response)
  })
  const listen = () => new Promise<void>((resolve) => server.listen(socket, resolve))
  const leave = async () => {
    const gone = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await gone
    return { back: listen }
  }
  await listen()
  return {
    socket,
    elsewhere,
    asked,
    hangs,
    leave,
    get canRun() {
      return canRun
    },
    set canRun(can) {
      canRun = can
    },
    get containers() {
      return [...containers.keys()]
    },
    get waiting() {
      return waiting
    },
    async stop() {
      await leave()
      rmSync(folder, { recursive: true })
    },
  }
}
