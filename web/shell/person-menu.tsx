import { useNavigate } from '@tanstack/react-router'
import { Suspense, useState } from 'react'
import { lazyPart } from '../data/server-away.ts'
import { signOut } from '../data/sign-in.ts'
import { useStored } from '../data/stored.ts'
import { setTheme, themes } from '../data/theme.ts'
import { useWhoami } from '../data/whoami.ts'
import { errorText } from '../parts/problem.tsx'
import { buttonClass } from '../ui/button.tsx'
import { Icon } from '../ui/icon.tsx'
import { Menu } from '../ui/menu.tsx'
import { showToast } from '../ui/toast.tsx'

/** It comes when somebody asks for it. */
const SignOutEverywhere = lazyPart(async () => ({
  default: (await import('../parts/sign-out-everywhere.tsx')).SignOutEverywhere,
}))

const themeTexts = { system: 'Theme of the device', light: 'Light', dark: 'Dark' } as const
const themeIcons = { system: 'screen', light: 'sun', dark: 'moon' } as const

/** Who has signed in, the theme, help, and the way out. */
export const PersonMenu = ({ onHelp }: { onHelp: () => void }) => {
  const who = useWhoami()
  const navigate = useNavigate()
  const [isAsking, setAsking] = useState(false)
  const theme = useStored('theme') ?? 'system'
  const leave = (end: Promise<void>) =>
    void end.then(
      () => navigate({ to: '/sign-in' }),
      (error) => showToast({ text: errorText(error), isBad: true }),
    )
  const name = who ? (who.auth_type === 'admin' ? 'admin' : (who.name ?? who.key_prefix ?? '')) : ''
  return (
    <>
      <Suspense>{isAsking && <SignOutEverywhere onClose={() => setAsking(false)} />}</Suspense>
      <Menu
        side="left"
        label="You and this browser"
        className={buttonClass('quiet', true)}
        button={<Icon name="person" />}
        head={
          who && (
            <>
              Signed in as <span className="font-medium text-text">{name}</span> · {who.access_level}
            </>
          )
        }
        items={[
          ...themes.map((one) => ({
            text: themeTexts[one],
            icon: themeIcons[one],
            isChosen: one === theme,
            onSelect: () => setTheme(one),
          })),
          {
            text: 'Settings and sessions',
            icon: 'gear',
            isApart: true,
            onSelect: () => void navigate({ to: '/settings/{-$section}', params: {} }),
          },
          { text: 'Keys and help', icon: 'help', note: '?', onSelect: onHelp },
          { text: 'Sign out', icon: 'leave', onSelect: () => leave(signOut()) },
          { text: 'Sign out everywhere…', icon: 'leave', onSelect: () => setAsking(true) },
        ]}
      />
    </>
  )
}
