// `npm test`: installs what is not up to date, then runs the tests, which build what they start. Arguments are passed on to
// vitest; without `--project` it runs the projects `unit` and `default`. The last line says `N passed, N failed, N skipped`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { become, install, root } from './prepare.mjs'

const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const folder = mkdtempSync(join(tmpdir(), 'jetty-test-counts-'))
process.env.TEST_COUNTS = join(folder, 'counts.json')
/** Counts by file of an earlier try, which those of this one replace. */
let earlier = {}

const counts = () => {
  const path = process.env.TEST_COUNTS
  // Until a run has ended, nothing has been shown to work.
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { '': { passed: 0, failed: 1, skipped: 0 } }
}

process.once('exit', () => {
  const files = Object.values({ ...earlier, ...counts() })
  const sum = (name) => files.reduce((total, file) => total + file[name], 0)
  rmSync(folder, { recursive: true, force: true })
  console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`)
})

/** More failed files than these are no accident. */
const mostAgain = 4

/** In CI a failure counts when it comes twice. The tests of a file may tell one story, so it is tried again as a whole. */
const runTwice = async (args) => {
  const run = async (args) => {
    rmSync(process.env.TEST_COUNTS, { force: true })
    const [code] = await once(spawn(process.execPath, [vitest, ...args], { stdio: 'inherit' }), 'exit')
    process.exitCode = code ?? 1
  }
  await run(args)
  const files = counts()
  const failed = Object.keys(files).filter((file) => files[file].failed > 0)
  if (process.exitCode === 0 || failed.length === 0 || failed.length > mostAgain || failed.includes('')) return
  earlier = files
  await run([...args, ...failed])
  for (const file of failed)
    if (counts()[file]?.failed === 0) console.log(`Failed at first, passed when tried again: ${file}`)
}

install('all')
const args = process.argv.slice(2)
const isChosen = args.some((arg) => arg.startsWith('--project'))
const project = isChosen ? [] : ['--project', 'unit', '--project', 'default']
process.chdir(root)
process.env.NODE_ENV = 'test' // a NODE_ENV=production of the shell is meant for servers
if (process.env.CI && args.length === 0) await runTwice(['run', ...project])
else await become(vitest, ['run', ...project, ...args])
