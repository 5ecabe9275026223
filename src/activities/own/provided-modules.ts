import * as nodeModule from 'node:module'

/** Modules that this process provides, by specifier. */
const provided: Record<string, Readonly<Record<string, unknown>>> = {}
const key = 'jetty.provided-modules'

/** Source of a module that exports the values which this process holds. */
const sourceOf = (specifier: string, exports: object): string =>
  [
    `const given = globalThis[Symbol.for(${JSON.stringify(key)})][${JSON.stringify(specifier)}]`,
    ...Object.keys(exports).map((name) => `export const ${name} = given.${name}`),
  ].join('\n')

type Resolve = (specifier: string, context: object, next: (specifier: string, context: object) => unknown) => unknown
type RegisterHooks = (hooks: { resolve: Resolve }) => void

/** Runs in a thread of its own, where nothing of this file exists. */
const hooksSource = (urls: Record<string, string>): string =>
  `const urls = new Map(Object.entries(${JSON.stringify(urls)}))
export const resolve = (specifier, context, next) =>
  urls.has(specifier) ? { url: urls.get(specifier), format: 'module', shortCircuit: true } : next(specifier, context)`

const dataUrl = (source: string): string => `data:text/javascript,${encodeURIComponent(source)}`

/**
 * Lets modules of any folder import `specifier`: they get the values of this very process, so that no installed package is
 * needed beside them, and no second copy of a class exists.
 */
export const provideModule = (specifier: string, exports: Readonly<Record<string, unknown>>): void => {
  if (Object.hasOwn(provided, specifier)) return
  provided[specifier] = exports
  Object.defineProperty(globalThis, Symbol.for(key), { value: provided, configurable: true })
  const url = dataUrl(sourceOf(specifier, exports))
  // Node 22.15 and newer: in this thread, without the thread that `register` starts.
  const registerHooks = (nodeModule as unknown as { registerHooks?: RegisterHooks }).registerHooks
  if (!registerHooks) {
    nodeModule.register(dataUrl(hooksSource({ [specifier]: url })))
    return
  }
  registerHooks({
    resolve: (asked, context, next) =>
      asked === specifier ? { url, format: 'module', shortCircuit: true } : next(asked, context),
  })
}
