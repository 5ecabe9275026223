// `npm test`: installs what is not up to date, then runs the tests, which build what they start. Arguments are passed on to
// vitest; without `--project` it runs the projects `unit` and `default`. The last line says `N passed, N failed, N skipped`.
import { join } from 'node:path'
import { become, install, root } from './prepare.mjs'

let isReady = false
process.once('exit', () => {
  if (!isReady) console.log('0 passed, 1 failed, 0 skipped') // no test could run, and that is a failure
})
install('all')
isReady = true
const args = process.argv.slice(2)
const isChosen = args.some((arg) => arg.startsWith('--project'))
const project = isChosen ? [] : ['--project', 'unit', '--project', 'default']
process.chdir(root)
process.env.NODE_ENV = 'test' // a NODE_ENV=production of the shell is meant for servers
await become(join(root, 'node_modules/vitest/vitest.mjs'), ['run', ...project, ...args])
