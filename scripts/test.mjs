// `npm test`: installs what is not up to date, then runs the tests, which build what they start: the project `whole`. Arguments
// are passed on to vitest; where they name no project, the projects are `unit` and `default`, so that a test beside the code
// starts nothing. The last line says `N passed, N failed, N skipped`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { become, install, root } from './prepare.mjs'

const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const folder = mkdtempSync(join(tmpdir(), 'jetty-test-counts-'))
process.env.TEST_COUNTS = join(folder, 'counts.json')
const whole = ['--project', 'whole']
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
const minute = 60_000
/** CI has 20 minutes, two of which go to installing. After these no test is begun, and those left are counted as skipped. */
const firstMs = 15 * minute
/** After these no file is tried again. */
const againMs = 17 * minute
const begun = Date.now()

/** Runs the tests until some milliseconds after the begin; returns whether none failed. */
const run = async (args, ms) => {
  rmSync(process.env.TEST_COUNTS, { force: true })
  const env = { ...process.env, TEST_UNTIL: String(begun + ms) }
  await once(spawn(process.execPath, [vitest, 'run', ...whole, ...args], { stdio: 'inherit', env }), 'exit')
  const files = Object.entries(counts())
  const left = files.filter(([, { passed, failed }]) => passed + failed === 0)
  if (Date.now() > begun + ms) console.log(`Left out for want of time: ${left.map(([file]) => file).join(', ')}`)
  return files.every(([, { failed }]) => failed === 0)
}

/** In CI a failure counts when it comes twice. The tests of a file may tell one story, so it is tried again as a whole. */
const runInCi = async () => {
  let isGood = await run([], firstMs)
  if (!existsSync(process.env.TEST_COUNTS)) {
    console.log('Vitest has ended without a result, and is started again')
    isGood = await run([], firstMs)
  }
  const files = counts()
  const failed = Object.keys(files).filter((file) => files[file].failed > 0)
  earlier = files
  if (isGood || failed.length > mostAgain || failed.includes('')) return isGood
  const isGoodAgain = await run(failed, againMs)
  const again = counts()
  const passed = failed.filter((file) => again[file]?.failed === 0 && again[file].passed > 0)
  for (const file of passed) console.log(`Failed at first, passed when tried again: ${file}`)
  return isGoodAgain && passed.length === failed.length
}

install('all')
const args = process.argv.slice(2)
const chosen = args.some((arg) => arg.startsWith('--project')) ? [] : ['--project', 'unit', '--project', 'default']
process.chdir(root)
process.env.NODE_ENV = 'test' // a NODE_ENV=production of the shell is meant for servers
if (process.env.CI && args.length === 0) process.exitCode = (await runInCi()) ? 0 : 1
else await become(vitest, ['run', ...(args.length === 0 ? whole : chosen), ...args])
