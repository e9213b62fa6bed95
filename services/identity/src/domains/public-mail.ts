/** Domains where anybody gets an address: nobody's company, and never proof of belonging to one. */
const PUBLIC_MAIL = `
  gmail.com googlemail.com outlook.com outlook.de outlook.fr hotmail.com hotmail.co.uk hotmail.de hotmail.fr
  hotmail.it hotmail.es live.com live.co.uk live.nl msn.com yahoo.com yahoo.co.uk yahoo.co.jp yahoo.co.in
  yahoo.de yahoo.fr yahoo.it yahoo.es ymail.com rocketmail.com aol.com icloud.com me.com mac.com proton.me
  protonmail.com pm.me gmx.com gmx.de gmx.net gmx.at gmx.ch web.de t-online.de freenet.de mail.com mail.ru
  bk.ru inbox.ru list.ru yandex.ru yandex.com ya.ru rambler.ru qq.com 163.com 126.com sina.com naver.com
  daum.net hanmail.net orange.fr wanadoo.fr laposte.net free.fr sfr.fr libero.it virgilio.it tiscali.it
  uol.com.br bol.com.br terra.com.br comcast.net verizon.net att.net sbcglobal.net cox.net btinternet.com
  sky.com bluewin.ch wp.pl o2.pl onet.pl interia.pl seznam.cz zoho.com fastmail.com hey.com tutanota.com
  tuta.com tuta.io mailinator.com guerrillamail.com 10minutemail.com duck.com rediffmail.com ukr.net
  posteo.de mailbox.org bigpond.com shaw.ca rogers.com telus.net
`;

const domains: ReadonlySet<string> = new Set(PUBLIC_MAIL.trim().split(/\s+/));

/** True for a domain of a mail provider that is open to everybody. The list is not complete; DNS proof is what counts. */
export const isPublicMailDomain = (domain: string): boolean => domains.has(domain);
