/** How long a command takes until it has said what it has to say, against Node that starts and does nothing. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './lib/built.ts'
import { percentile } from './lib/numbers.ts'
import { stage } from './lib/stage.ts'

const rounds = 30
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
  for (let round = -2; round < rounds; round++) {
    for (const [name, args] of Object.entries(commands)) {
      const begun = performance.now()
      const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' })
      if (status !== 0) throw new Error(`${name} ended with ${status}`)
      if (round >= 0) times[name] = [...(times[name] ?? []), performance.now() - begun]
    }
  }
  const median = (name: string) => percentile(times[name] ?? [], 0.5)
  const floor = median('node, doing nothing')
  report.table(`${rounds} starts each, in turns`, [
    ['', 'ms p50', 'ms p95', 'to node'],
    ...Object.keys(commands).map((name) => [
      name,
      median(name),
      percentile(times[name] ?? [], 0.95),
      median(name) / floor,
    ]),
  ])
  report.aim('start of a command, p50', median('jetty runs --help'), 'at most', 150, ' ms')
})
