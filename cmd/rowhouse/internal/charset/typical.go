package charset

// typical are words and names in which the letters of a language stand as they
// do in those of people and places. The names of countries and languages have too few
// of them: hardly one ends in ò.
var typical = map[string]string{
	"de": "Müller Möller Größe Straße Jäger Schröder König Kühn Krämer Löwe Grün Thüringen Österreich Übersee Äpfel Voß Strauß Bühler Fröhlich Hübner Käfer Tübingen",
	"fr": "château Châteauroux bâton gâteau pâtisserie grâce âge câble château-fort châtaignier Châtenay tâche île dîner Benoîte abîme aîné hôtel forêt fête maître théâtre bâtiment Adèle Michèle Irène Agnès Barthélemy Gérard Frédéric Stéphane Noël Joël Maëlle Citroën Gaëtan Lafrenière Rivière " +
		"Béranger Côté Thérèse Châtillon Périgueux Dôle Chambéry Sète Lunéville Épinal Évian garçon leçon façade cœur sœur",
	"es": "niño señor año mañana Muñiz Zúñiga Castañeda Peñalver Piñeiro Cataluña Martín Sánchez Pérez López Jiménez Hernández Rodríguez García Díaz Ramírez Álvarez Gutiérrez Vázquez " +
		"Domínguez Suárez Ángel Óscar Íñiguez",
	"it": "città università società libertà virtù tribù caffè perciò così lunedì però più già Salò Mondovì Muggiò Canicattì Corfù Gesù Barnabà Patanè Macrì Bucalò Cannavò Arnò Aricò " +
		"Giosuè Montà Sarà Ciccarè",
	"pt": "Assunção Camões Leitão Antão irmão coração ação Gonçalo Lourenço Graça Inácio Patrícia António Álvaro Portimão Ceará Maranhão Goiás Paraná Macapá Maceió Niterói Sebastião Antônia",
	"da": "Jørgensen Købmand Øster Ålborg Højgaard Nørregaard Søndergaard Ærø Rømer Thorbjørn Ågård Kjærsgaard Blåvand Rødby Skægkær Bjørnø",
	"no": "Bjørnar Sørli Østfold Bodø Røros Lærdal Næss Bråthen Skjærvø Grønvold Håkon Pål Åge Ødegård Bjørndalen Tromsdalen Ålgård",
	"sv": "Bergström Sjögren Öberg Österlund Håkansson Åberg Ångström Hägglund Bäckström Mälaren Gävle Örebro Växjö Härnösand Skövde Sjöström Löfgren Söderberg Åström Björklund",
	"fi": "Järvinen Mäkinen Väisänen Pöyry Kärkkäinen Räikkönen Häkkinen Määttä Äänekoski Seinäjoki Pietilä Ylönen Hämeenlinna Nyström",
	"is": "Þór Þóra Sigurður Davíð Friðrik Ásgeir Ísak Ægir Höfði Jón Björg Hallgrímsson Stefánsdóttir Vigdís Þorsteinn Eiríkur Össur Hafnarfjörður Keflavík",
	"pl": "Wałęsa Łukasz Błażej Żuraw Święty Śląsk Dąb Gołąb Zając Kozioł Sikorska Grażyna Jarosław Stanisław Władysław Źródło Ćma Kościuszko Jagiełło Mickiewiczów Wąsik Pękała Bieńkowski",
	"cs": "Růžička Kučera Dvořáček Černý Veselý Horáček Procházka Němeček Jiřina Kateřina Václav Miloš Přemysl Zdeňka Soňa Hradčany Žižkov Křížek Šťastný",
	"sk": "Ďurica Ľubomír Kráľ Hôrka Mäsiar Kováč Ľudmila Žilina Nová Baňa Trenčín Tomáš Jurčák Šaľa",
	"hu": "Győző Ősz Fűzfa Szőlő Kőrösi Dezső Csűrös Gergő Belső Jenő Sőregi Lőrinc Kőbánya Fertőd Tőkés Hűvösvölgy Űrhajó Szűts Vörös Török Béla József Sándor Mátyás Gábor Éva Ödön",
	"hr": "Marić Petrović Jurčić Žarko Čedomir Božić Đuro Šešelj Grgić Krčka Ljubiša Tomašević Đakovo Križevci",
	"sl": "Škofja Mežica Kočevje Vrhnika Žalec Novak Matevž Urška Gašper Črnuče Zupančič",
	"ro": "Băsescu Brăila Timişoara Târgu Mureş Ploieşti Câmpina Sânziana Stănescu Ţepeş Ţiriac Şova Aurică Niţă Gheorghiţă Răzvan",
	"lt": "Jonė Žemaitis Kazlauskaitė Paulauskienė Šidlauskas Česnauskis Rūkas Gedvilė Vilkaviškis Marijampolė Birštonas Ukmergė Nėris Ąsotis Žvirblių",
	"lv": "Kalniņš Liepiņa Krūmiņš Zariņa Āris Ēriks Ģederts Ķekava Ļaudona Ņikita Šķēle Vējš Līksna Jānītis Ūdris Kārkliņš",
	"et": "Tõnis Põld Jõgi Võsu Kõrv Mõis Sõrve Rõuge Õismäe Nõmme Põlva Kärdla Märten Ülo Kütiorg",
	"tr": "Gökçe Güneş Işıl Yıldırım Şükrü Çağrı Öztürk Doğukan Müftüoğlu Karadağ İnönü Erdoğan Aydın Kızılırmak Çankırı Şırnak Iğdır Bağcılar Üsküdar Kadıköy Beşiktaş",
}
