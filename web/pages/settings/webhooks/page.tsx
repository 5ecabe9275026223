import { useState } from 'react'
import { useMayWrite } from '../../../data/whoami.ts'
import { Button } from '../../../ui/button.tsx'
import { CommandLines } from '../command-lines.tsx'
import { SettingsHeading } from '../heading.tsx'
import type { CollectionPlace } from '../place.ts'
import { DeliveryList } from './delivery-list.tsx'
import { Receiver } from './receiver.tsx'
import { SendTest } from './send-test.tsx'

/** Whom runs of a collection have told of their end, and a test of a receiver. */
const WebhooksPage = ({ collection }: CollectionPlace) => {
  const mayWrite = useMayWrite()
  const [isTesting, setTesting] = useState(false)
  return (
    <>
      <SettingsHeading
        title={`Webhooks of ${collection}`}
        actions={
          <Button look="main" disabled={!mayWrite} onClick={() => setTesting(true)}>
            Send a test
          </Button>
        }
      >
        A run tells a receiver when it has ended: the one that it or its routine names, else that of the collection. A
        failed delivery is tried eight times within about a day.
      </SettingsHeading>
      <Receiver collection={collection} mayWrite={mayWrite} />
      <DeliveryList collection={collection} mayWrite={mayWrite} />
      <CommandLines
        lines={[
          `jetty run ${collection}/my-task --webhook https://example.com/done --webhook-secret-env HOOK_SECRET`,
          `jetty webhooks ls ${collection} --failed`,
        ]}
      />
      {isTesting && <SendTest collection={collection} onClose={() => setTesting(false)} />}
    </>
  )
}

export default WebhooksPage
