import { useNow } from '../../data/clock.ts'
import { Button } from '../../ui/button.tsx'
import { useKeys } from '../../ui/keys.ts'
import { type Saved, versionMeta } from './version-meta.ts'

interface ListedVersion extends Saved {
  index: number
  tags: readonly string[]
  note?: string | null
}

interface VersionListProps {
  versions: readonly ListedVersion[]
  chosen: number
  onChoose: (index: number) => void
  onMore: (() => void) | undefined
}

/** The versions of a task or dataset, newest first. */
export const VersionList = ({ versions, chosen, onChoose, onMore }: VersionListProps) => {
  const now = useNow()
  const move = (by: number) => {
    const at = versions.findIndex(({ index }) => index === chosen)
    const next = versions[at + by]
    if (next) onChoose(next.index)
  }
  useKeys('Versions', [
    { keys: 'j', does: 'Older version', run: () => move(1) },
    { keys: 'k', does: 'Newer version', run: () => move(-1) },
  ])
  return (
    <nav
      aria-label="Versions"
      className="w-72 shrink-0 overflow-auto border-line border-r max-md:max-h-48 max-md:w-full max-md:border-r-0 max-md:border-b"
    >
      <ul>
        {versions.map((version) => (
          <li key={version.index}>
            <button
              type="button"
              aria-current={version.index === chosen}
              onClick={() => onChoose(version.index)}
              className={`block w-full px-4 py-2 text-left ${version.index === chosen ? 'bg-selection' : 'hover:bg-sunk'}`}
            >
              <span className="flex items-baseline gap-2">
                <span className="font-medium">v{version.index}</span>
                <span className="min-w-0 flex-1 truncate text-12 text-muted">{versionMeta(version, now)}</span>
              </span>
              {version.tags.length > 0 && (
                <span className="block truncate font-mono text-12">{version.tags.join(' ')}</span>
              )}
              {version.note && <span className="block truncate text-12">{version.note}</span>}
            </button>
          </li>
        ))}
      </ul>
      {onMore && (
        <Button look="quiet" className="m-2" onClick={onMore}>
          Older versions
        </Button>
      )}
    </nav>
  )
}
