/** How long a command takes until it has said what it has to say, against Node that starts and does nothing. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './lib/built.ts'
import { parts, percentile, ratios } from './lib/numbers.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'

const rounds = 5
const starts = isQuick ? 3 : 6
const jettyBin = join(root, 'dist/bin.js')

await stage('cli', async ({ report, jetty, makeFolder }) => {
  const server = await jetty()
  const tokenPath = join(makeFolder(), 'token')
  writeFileSync(tokenPath, await server.key('demo'))
  const reach = ['--url', server.url, '--token-file', tokenPath]
  const commands: Record<string, string[]> = {
    'node, doing nothing': ['-e', '0'],
    'jetty --version': [jettyBin, '--version'],
    'jetty runs --help': [jettyBin, 'runs', '--help'],
    'jetty whoami, one request': [jettyBin, ...reach, 'whoami'],
    'jetty runs ls, one request': [jettyBin, ...reach, 'runs', 'ls', 'demo/hello'],
  }
  const times: Record<string, number[]> = {}
  for (let turn = -2; turn < rounds * starts; turn++) {
    for (const [name, args] of Object.entries(commands)) {
      const begun = performance.now()
      const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' })
      if (status !== 0) throw new Error(`${name} ended with ${status}`)
      if (turn >= 0) times[name] = [...(times[name] ?? []), performance.now() - begun]
    }
  }
  const median = (name: string) => percentile(times[name] ?? [], 0.5)
  const floor = median('node, doing nothing')
  report.table(`${rounds * starts} starts each, in turns`, [
    ['', 'ms p50', 'ms p95', 'to node'],
    ...Object.keys(commands).map((name) => [
      name,
      median(name),
      percentile(times[name] ?? [], 0.95),
      median(name) / floor,
    ]),
  ])
  const p50s = (name: string) => parts(times[name] ?? [], rounds).map((part) => percentile(part, 0.5))
  const toNode = (name: string) => ratios(p50s(name), p50s('node, doing nothing'))
  report.aim('start of a command, p50', p50s('jetty runs --help'), 'at most', 150, ' ms')
  report.figure('start of a command, p50 to Node that does nothing', toNode('jetty runs --help'), ' ×')
  report.figure('a command with one request, p50 to Node that does nothing', toNode('jetty whoami, one request'), ' ×')
})
