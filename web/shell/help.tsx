import { useStored, writeStored } from '../data/stored.ts'
import { CopyLine } from '../ui/copy.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Checkbox } from '../ui/field.tsx'
import { keysText, useKeyGroups } from '../ui/keys.ts'

/** The keys of this page, and where to read more. */
export const Help = ({ onClose }: { onClose: () => void }) => {
  const groups = useKeyGroups().filter(({ bindings }) => bindings.length > 0)
  const singleKeys = useStored('single-keys') !== 'off'
  return (
    <Dialog title="Keys and links" isOpen onClose={onClose} width="wide">
      <div className="mb-2 gap-8 sm:columns-2">
        {groups.map(({ name, bindings }) => (
          <section key={name} className="mb-4 break-inside-avoid">
            <h3 className="mb-1 font-medium text-12 text-muted">{name}</h3>
            <dl>
              {bindings.map(({ keys, does }) => (
                <div key={keys} className="flex justify-between gap-4 py-0.5">
                  <dt>{does}</dt>
                  <dd>
                    <kbd className="rounded-s border border-line px-1 font-sans text-12">{keysText(keys)}</kbd>
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <Checkbox
        label="Keys without ⌘ or Ctrl work"
        checked={singleKeys}
        onChange={(event) => writeStored('single-keys', event.target.checked ? undefined : 'off')}
      />
      <div className="mt-4 flex flex-col gap-2 border-line border-t pt-4">
        <a href="/docs" target="_blank" rel="noopener" className="text-accent">
          Documentation
        </a>
        <p className="text-muted">The command line does all of this too:</p>
        <CopyLine text="jetty --help" />
      </div>
    </Dialog>
  )
}
