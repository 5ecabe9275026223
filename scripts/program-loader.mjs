// Loads a program of scripts/bundle.mjs with the code that V8 has compiled before: compiling takes 40 % of a start. The bundle
// writes the text of this file into each program, and after it the call of `load`.
const { closeSync, fdatasyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } =
  process.getBuiltinModule('node:fs') // `import` would read every export of these modules, and so load streams
const { createRequire } = process.getBuiltinModule('node:module')
const { dirname, join } = process.getBuiltinModule('node:path')
const { fileURLToPath } = process.getBuiltinModule('node:url')
const { Script } = process.getBuiltinModule('node:vm')

/** After this time a server has executed what a start executes. Commands keep their code when they end. */
const keepAfterMs = 3_000
const betweenMs = 20

const readOr = (path, fallback) => {
  try {
    return readFileSync(path)
  } catch {
    return fallback
  }
}

/** Appears whole or not at all, also when the power fails. */
const writeWhole = (path, bytes) => {
  const draft = `${path}-${process.pid}`
  const file = openSync(draft, 'w')
  writeFileSync(file, bytes)
  fdatasyncSync(file)
  closeSync(file)
  renameSync(draft, path)
}

/**
 * Loads the file `entry` beside this one, and what it requires. Compiled code is kept in a folder beside the program, by the
 * version of V8; names of files have the hash of their content. Where that folder may not be written, it is compiled anew.
 */
export const load = (entry) => {
  const folder = dirname(fileURLToPath(import.meta.url))
  const kept = join(folder, `compiled-${process.versions.v8}-${process.arch}`)
  const outside = createRequire(join(folder, entry))
  const modules = new Map()
  const fresh = new Map()

  const scriptOf = (path, name) => {
    const text = `(function (exports, require, module, __filename, __dirname, importOutside) {${readFileSync(path, 'utf8')}\n})`
    const cachedData = readOr(join(kept, name))
    const script = new Script(text, { filename: path, cachedData })
    if (!cachedData || script.cachedDataRejected) fresh.set(name, script)
    return script
  }

  const require = (id) => {
    if (!id.startsWith('./')) return outside(id)
    const known = modules.get(id)
    if (known) return known.exports
    const module = { exports: {} }
    modules.set(id, module)
    const path = join(folder, id)
    const run = scriptOf(path, id.slice(2)).runInThisContext()
    run.call(module.exports, module.exports, require, module, path, folder, (name) => import(name))
    return module.exports
  }
  require.resolve = outside.resolve

  const keepOne = () => {
    const [[name, script]] = fresh
    fresh.delete(name)
    try {
      mkdirSync(kept)
    } catch {
      // It is there, or the program is gone or belongs to another user.
    }
    try {
      writeWhole(join(kept, name), script.createCachedData())
    } catch {
      fresh.clear() // every start compiles it
    }
  }
  /** One file after another: the server works on meanwhile. */
  const keepSlowly = () => {
    if (fresh.size === 0) return
    keepOne()
    setTimeout(keepSlowly, betweenMs).unref()
  }

  process.once('exit', () => {
    while (fresh.size > 0) keepOne()
  })
  setTimeout(keepSlowly, keepAfterMs).unref()
  require(`./${entry}`)
}
