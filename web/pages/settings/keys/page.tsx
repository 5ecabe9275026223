import { useState } from 'react'
import { useMayWrite } from '../../../data/whoami.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { CommandLines } from '../command-lines.tsx'
import { SettingsHeading } from '../heading.tsx'
import type { CollectionPlace } from '../place.ts'
import { KeyList } from './key-list.tsx'
import { useApiKeys } from './keys-query.ts'
import { NewKeyDialog } from './new-key-dialog.tsx'

/** The keys that open a collection. */
const KeysPage = ({ collection }: CollectionPlace) => {
  const mayWrite = useMayWrite()
  const [isNew, setNew] = useState(false)
  const list = useApiKeys(collection)
  const keys = list.data?.pages.flat() ?? []
  return (
    <>
      <SettingsHeading
        title={`Keys of ${collection}`}
        actions={
          <Button icon="plus" look="main" disabled={!mayWrite} onClick={() => setNew(true)}>
            New key
          </Button>
        }
      >
        A program or a person needs a key to call the server. The server keeps only a hash: a key is shown once, when it
        is made.
      </SettingsHeading>
      {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
      {list.isSuccess && keys.length === 0 && (
        <Empty title="No key covers this collection" command={`jetty keys create ${collection} --name ci`}>
          Only the admin token opens it. Make a key for each program and person, so that you can revoke one alone.
        </Empty>
      )}
      {keys.length > 0 && <KeyList keys={keys} collection={collection} mayWrite={mayWrite} />}
      {list.hasNextPage && (
        <Button className="self-start" disabled={list.isFetching} onClick={() => void list.fetchNextPage()}>
          Older keys
        </Button>
      )}
      <CommandLines
        lines={[`jetty keys ls ${collection}`, `jetty keys create ${collection} --name ci --expires 90d`]}
      />
      {isNew && <NewKeyDialog collection={collection} onClose={() => setNew(false)} />}
    </>
  )
}

export default KeysPage
