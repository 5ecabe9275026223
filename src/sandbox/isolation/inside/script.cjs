// Runs inside a sandbox: executes script.mjs of its working folder with the names `inputs`, `files` and `require`, and
// writes the value that the script returns, or that its function `main` returns, to the file $JETTY_OUTPUT as JSON.
// The script is the body of a function, or a module if it imports or exports. Plain JavaScript without dependencies, and
// CommonJS, because Node loads ES modules only after another tenth of its start.
const { readFileSync, writeFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const { join } = require('node:path')
const { pathToFileURL } = require('node:url')
const { constants, runInThisContext } = require('node:vm')

const place = join(process.cwd(), 'script.mjs')
const code = readFileSync(place, 'utf8')
const inputs = JSON.parse(readFileSync(process.env.JETTY_INPUTS, 'utf8'))
const files = JSON.parse(readFileSync('files.json', 'utf8'))
Object.assign(globalThis, { inputs, files, require: createRequire(place) })

/** Lines that only a module may have. */
const ofModule = /^\s*(?:import\s*["'{*]|import\s+[\w$]|export\s)/m

/** The script as a function; undefined if it is a module. */
const asFunction = () => {
  const head = '(async () => {\n'
  const end = ";if (typeof main === 'function') return main(globalThis.inputs, globalThis.files)"
  try {
    return runInThisContext(`${head}${code}\n${end}\n})`, {
      filename: place,
      lineOffset: -1,
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    })
  } catch (error) {
    if (error instanceof SyntaxError && ofModule.test(code)) return undefined
    throw error
  }
}

const carryOut = async () => {
  const body = asFunction()
  if (body) return body()
  const module = await import(pathToFileURL(place).href)
  const entry = module.main ?? module.default
  return typeof entry === 'function' ? entry(inputs, files) : entry
}

/** An error as Node shows it, without the lines of this file and of Node. */
const shown = (error) => {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return `Error: ${String(error)}`
  const lines = error.stack
    .split('\n')
    .filter((line) => !/^\s+at .*(node:|\/script\.cjs:).*$/.test(line) || line.includes(place))
  return lines.join('\n')
}

const write = (value) => {
  let text
  try {
    text = JSON.stringify(value)
  } catch (error) {
    throw new Error(`The result is not JSON: ${error.message}`)
  }
  if (text !== undefined) writeFileSync(process.env.JETTY_OUTPUT, text)
}

const work = async () => {
  if (process.env.HTTPS_PROXY) await import('./proxied-fetch.mjs')
  const result = await carryOut()
  if (result === undefined) return
  write(result)
  process.exit() // a value was returned: what is still open, such as a pool of connections, is not waited for
}

/** The code with which Node ends a module that waits for something that never comes. */
const neverSettled = 13
let isOver = false
process.once('beforeExit', () => {
  if (isOver) return
  process.stderr.write('Error: The script waits for a promise that nothing settles any more\n')
  process.exit(neverSettled)
})

work()
  .catch((error) => {
    process.stderr.write(`${shown(error)}\n`)
    process.exit(1)
  })
  .finally(() => {
    isOver = true
  })
