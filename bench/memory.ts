/** Memory of the server process, without Postgres: idle, and while a large file is uploaded and downloaded. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { pause } from '../src/lib/time.ts'
import { residentMb } from './lib/processes.ts'
import type { JettyServer } from './lib/server.ts'
import { stage } from './lib/stage.ts'
import { echoWorkflow } from './lib/workflows.ts'

const uploadMb = 300
const rounds = 3
const idleSeconds = 10
const idleLimitMb = 150
const growthLimitMb = 80

/** The most memory of a process while some work goes on. */
const peakDuring = async (pid: number, work: () => Promise<void>): Promise<number> => {
  let peak = 0
  const look = () => {
    peak = Math.max(peak, residentMb(pid))
  }
  const timer = setInterval(look, 10)
  await work()
  await pause(300)
  clearInterval(timer)
  look()
  return peak
}

const send = async (server: JettyServer, method: string, path: string, headers: object, body: Readable) => {
  const outgoing = request(server.url + path, {
    method,
    headers: { authorization: `Bearer ${server.adminToken}`, ...headers },
  })
  body.pipe(outgoing)
  const [answer] = (await once(outgoing, 'response')) as [Readable & { statusCode: number }]
  return answer
}

const upload = async (server: JettyServer): Promise<string> => {
  const boundary = 'bench-boundary'
  const block = Buffer.alloc(1024 * 1024, 'jetty ')
  const parts = function* () {
    yield `--${boundary}\r\ncontent-disposition: form-data; name="files"; filename="large.txt"\r\ncontent-type: text/plain\r\n\r\n`
    for (let at = 0; at < uploadMb; at++) yield block
    yield `\r\n--${boundary}--\r\n`
  }
  const type = { 'content-type': `multipart/form-data; boundary=${boundary}` }
  const answer = await send(server, 'POST', '/api/v1/run/demo/keep', type, Readable.from(parts()))
  let text = ''
  for await (const part of answer) text += String(part)
  if (answer.statusCode !== 200) throw new Error(`upload: ${answer.statusCode} ${text}`)
  return (JSON.parse(text) as { trajectory: { init_params: { file_paths: string[] } } }).trajectory.init_params
    .file_paths[0] as string
}

const download = async (server: JettyServer, path: string): Promise<void> => {
  const answer = await send(server, 'GET', `/api/v1/file/${path}`, {}, Readable.from([]))
  let bytes = 0
  for await (const part of answer) bytes += (part as Buffer).length
  if (bytes !== uploadMb * 1024 * 1024) throw new Error(`download: ${answer.statusCode}, ${bytes} bytes`)
}

/** What Node takes to answer requests at all. */
const bareNode = async (): Promise<number> => {
  const program = "require('node:http').createServer((_, answer) => answer.end()).listen(0, () => console.log('ready'))"
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  await pause(1_000)
  const mb = residentMb(child.pid ?? 0)
  child.kill('SIGKILL')
  return mb
}

await stage('memory', async ({ report, jetty }) => {
  const bare = await bareNode()
  const server = await jetty()
  await pause(idleSeconds * 1000)
  const idle = residentMb(server.pid)
  await server.call('POST', '/api/v1/tasks/demo', { name: 'keep', has_file_uploads: true, workflow: echoWorkflow(1) })
  const rows: (string | number)[][] = []
  const growth: number[] = []
  for (let round = 1; round <= rounds; round++) {
    const before = residentMb(server.pid)
    let path = ''
    const peak = await peakDuring(server.pid, async () => {
      path = await upload(server)
    })
    const peakDown = await peakDuring(server.pid, () => download(server, path))
    rows.push([`upload ${round}`, before, peak, peak - before], [`download ${round}`, peak, peakDown, peakDown - peak])
    growth.push(peak - idle)
  }
  await server.stop()
  report.table('idle, MB', [
    ['', 'resident', 'to bare Node'],
    ['bare Node with an HTTP server', bare, 1],
    [`jetty, ${idleSeconds} s after its start`, idle, idle / bare],
  ])
  report.table(`${uploadMb} MB, MB resident`, [['', 'before', 'peak', 'rise'], ...rows])
  report.figure('idle server, to a bare Node HTTP server', idle / bare, ' ×')
  report.aim('idle server', idle, 'at most', idleLimitMb, ' MB')
  report.aim(`rise by a ${uploadMb} MB upload, over idle`, growth, 'at most', growthLimitMb, ' MB')
})
