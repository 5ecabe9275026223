import type { SandboxProbe, SandboxProvider } from '../../sandboxes/sandbox.ts'

/** Tries a sandbox once, as long as that works; what does not work is tried again, so that it can be mended meanwhile. */
export const makeProbe = ({ probe }: Pick<SandboxProvider, 'probe'>): (() => Promise<SandboxProbe>) => {
  let trying: Promise<SandboxProbe> | undefined
  return () => {
    trying ??= probe()
    const tried = trying
    const forget = () => {
      if (trying === tried) trying = undefined
    }
    tried.then(({ works }) => works || forget(), forget)
    return tried
  }
}
