// Compiles src into a folder that stands beside it. `npm run types` and the tests check the types: a check takes fifteen
// times as long as a compilation without one.
import { spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { rolldownEnvironment } from './bundle.mjs'
import { compiledFolder, fingerprints, root, stamps } from './prepare.mjs'

/** Runs a program of node_modules; what it prints goes to stderr. With another NODE_ENV, Vite would build a React that checks itself. */
export const run = (program, ...args) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'node_modules', program), ...args], {
      cwd: root,
      stdio: ['ignore', 2, 2],
      env: { ...process.env, ...rolldownEnvironment, NODE_ENV: 'production' },
    })
    child.on('error', reject)
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${program} failed`))))
  })

/** Compiles src, and adds what is not TypeScript. */
const compileSource = async (folder) => {
  await run('typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', folder)
  const source = join(root, 'src')
  for (const name of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    const from = join(source, name)
    if (/\.tsx?$/.test(name) || !statSync(from).isFile()) continue
    const to = join(folder, name)
    mkdirSync(dirname(to), { recursive: true })
    cpSync(from, to)
  }
}

const filesOf = (folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(folder, name)).isFile())

const hasSame = (path, other) => existsSync(other) && readFileSync(path).equals(readFileSync(other))

/** Puts each file that differs in its place at once: another run may be reading the folder. */
const takeOver = (draft) => {
  const names = filesOf(draft)
  for (const name of names) {
    const to = join(compiledFolder, name)
    if (hasSame(join(draft, name), to)) continue
    mkdirSync(dirname(to), { recursive: true })
    renameSync(join(draft, name), to)
  }
  const known = new Set(names)
  for (const name of filesOf(compiledFolder)) if (!known.has(name)) rmSync(join(compiledFolder, name))
}

const stamp = join(compiledFolder, stamps.source)

/** Whether tests have compiled src as it is now. */
const isCompiledForTests = (wanted) => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted

/** Compiles src into a folder for a build; takes over what tests have compiled, in a third of the time. */
export const compileForBuild = async (folder, wanted) => {
  if (isCompiledForTests(wanted)) cpSync(compiledFolder, folder, { recursive: true })
  else await compileSource(folder)
}

/** Compiles src for tests where that is not up to date: in a second and a half. */
export const compileForTests = async () => {
  const wanted = fingerprints().source
  if (isCompiledForTests(wanted)) return
  const draft = `${compiledFolder}.new-${process.pid}`
  try {
    await compileSource(draft)
    takeOver(draft)
    writeFileSync(stamp, wanted)
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}
